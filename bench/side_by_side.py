"""Carapace beside the Node gateway: one machine, one run, one client; medians and ratios.

CARAPACE_NODE_GATEWAY=FOLDER python bench/side_by_side.py [--rounds 5] [--write FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import measure
import sessions_list

from peers import TOKEN, Peer, carapace, model_server, node_gateway, rss_mb

Samples = dict[str, dict[str, list[float]]]
# name, unit, what our ratio to Node must be, and whether more is better
GOALS: tuple[tuple[str, str, float, bool], ...] = (
    ("cold start to listening", "s", 0.25, False),
    ("idle memory", "MB", 1 / 3, False),
    ("WS round trip health, p50", "ms", 1.0, False),
    ("WS round trip config.get, p50", "ms", 1.0, False),
    ("health per second, 1 connection", "/s", 1.5, True),
    ("health per second, 10 connections", "/s", 1.5, True),
    ("health per second, 100 connections", "/s", 1.5, True),
    ("WS agent turn beyond the model, p50", "ms", 0.2, False),
    ("HTTP chat turn beyond the model, p50", "ms", 0.2, False),
    ("memory per idle connection", "kB", 0.5, False),
    ("connect storm of 1,000 clients", "s", 0.2, False),
    *((f"sessions.list, {one.name}", "ms", 0.2, False) for one in sessions_list.GOAL_LISTS),
)
# How many sessions `sessions.list` finds: ten times as many here.
OUR_SESSIONS, NODE_SESSIONS = 10_000, 1_000
_LIST_CALLS = 30


async def one_round(peer: Peer, model: Peer, number: int, idle: int) -> dict[str, float]:
    """All measurements of one gateway once, on processes started for this round."""
    started_s = peer.start()
    await asyncio.sleep(1.5)
    out = {"cold start to listening": started_s, "idle memory": rss_mb(peer.pid)}
    stamp = f"{number}-{int(time.time())}"
    # In a process of its own: a grown heap would hide what connections take, and what so many
    # connections leave behind would slow whatever is measured after them.
    out["memory per idle connection"] = await measure.idle_kilobytes(peer, idle)
    peer.stop()
    peer.start()
    await asyncio.sleep(1.5)
    out["connect storm of 1,000 clients"] = await measure.connect_storm(peer, 1000)
    peer.stop()
    peer.start()
    await asyncio.sleep(1.5)
    direct = await measure.chat_turn(model.port, 100, stamp, "fake-key")
    out["WS round trip health, p50"] = await measure.latency(peer, "health", 1000)
    out["WS round trip config.get, p50"] = await measure.latency(peer, "config.get", 500)
    for connections, requests in ((1, 3000), (10, 5000), (100, 3000)):
        noun = "connection" if connections == 1 else "connections"
        name = f"health per second, {connections} {noun}"
        out[name] = await measure.throughput(peer, connections, requests)
    turn = await measure.agent_turn(peer, 20, stamp)
    out["WS agent turn beyond the model, p50"] = max(turn - direct, 0.01)
    chat = await measure.chat_turn(peer.port, 20, stamp, TOKEN)
    out["HTTP chat turn beyond the model, p50"] = max(chat - direct, 0.01)
    peer.stop()
    return out


async def lists(peer: Peer) -> dict[str, float]:
    """The lists of sessions once, on a process started for this beside many sessions."""
    found = await sessions_list.measured(peer, _LIST_CALLS, sessions_list.GOAL_LISTS)
    return {f"sessions.list, {name}": value for name, value in found.items()}


async def run(options: argparse.Namespace, home: Path) -> Samples:
    """All rounds, the two gateways in turns, the order reversed each time."""
    model = model_server(home)
    model.start()
    makers: dict[str, Callable[[], Peer]] = {
        "node": lambda: node_gateway(options.node, home / "node", model.port),
        "carapace": lambda: carapace(home / "carapace", model.port),
    }
    full: dict[str, Callable[[], Peer]] = {
        "node": lambda: node_gateway(options.node, home / "node-full", model.port),
        "carapace": lambda: carapace(home / "carapace-full", model.port),
    }
    samples: Samples = {name: {} for name in makers}
    try:
        print(
            "warming up: the Node gateway transpiles its extensions on its first start", flush=True
        )
        for make in makers.values():
            peer = make()
            peer.start()
            await asyncio.sleep(3)
            peer.stop()
        print("filling the stores for sessions.list", flush=True)
        await sessions_list.fill_ours(home / "carapace-full", OUR_SESSIONS)
        sessions_list.fill_node(home / "node-full", NODE_SESSIONS)
        for number in range(options.rounds):
            names = list(makers) if number % 2 == 0 else list(makers)[::-1]
            for name in names:
                measured = await _guarded(one_round(makers[name](), model, number, options.idle))
                measured |= await _guarded(lists(full[name]()))
                for metric, value in measured.items():
                    samples[name].setdefault(metric, []).append(value)
                print(f"round {number + 1} of {options.rounds}: {name} done", flush=True)
    finally:
        model.stop()
    return samples


async def _guarded(work: Awaitable[dict[str, float]]) -> dict[str, float]:
    async with asyncio.timeout(300):
        return await work


def table(samples: Samples) -> tuple[str, bool]:
    """The comparison in Markdown, and whether every goal was met."""
    lines = ["| what | Node | Carapace | ratio | goal | met |", "|---|---|---|---|---|---|"]
    all_met = True
    for name, unit, goal, more_is_better in GOALS:
        node = statistics.median(samples["node"][name])
        ours = statistics.median(samples["carapace"][name])
        ratio = ours / node
        met = ratio >= goal if more_is_better else ratio <= goal
        all_met &= met
        sign = ">=" if more_is_better else "<="
        lines.append(
            f"| {name} | {node:.4g} {unit} | {ours:.4g} {unit} | {ratio:.3f} "
            f"| {sign} {goal:.3f} | {'yes' if met else '**no**'} |"
        )
    return "\n".join(lines), all_met


def report(options: argparse.Namespace, text: str) -> str:
    """A results page with its date and how to repeat it."""
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"# Carapace beside the Node gateway\n\n"
        f"{date}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, Node gateway clawdbot 2026.1.24-3; medians of "
        f"{options.rounds} rounds, both gateways in turns in one run, "
        f"{options.idle} idle connections.\n\n"
        f"{text}\n\n"
        "Repeat with `CARAPACE_NODE_GATEWAY=FOLDER python bench/side_by_side.py --rounds "
        f"{options.rounds} --write bench/RESULTS.md`; see [README](README.md). "
        '"Beyond the model" is the turn minus what the scripted model server takes by itself. '
        "Both keep their state over the rounds, so sessions add up; with few sessions the Node "
        "gateway is faster than in these medians. `sessions.list` is asked of stores of their own: "
        f"{OUR_SESSIONS:,} sessions here, {NODE_SESSIONS:,} at the Node gateway.\n"
    )


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--node", type=Path, default=os.environ.get("CARAPACE_NODE_GATEWAY"))
    options = parser.parse_args()
    if not options.node or not Path(options.node, "node_modules").is_dir():
        print("the Node gateway is missing: see bench/README.md", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="carapace-bench-") as folder:
        work = run(options, Path(folder))
        try:
            import uvloop  # noqa: PLC0415 - an extra
        except ImportError:
            samples = asyncio.run(work)
        else:
            samples = uvloop.run(work)
    text, all_met = table(samples)
    print(text)
    if options.write:
        options.write.write_text(report(options, text), "utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
