"""The path of a message, measured: latency, loop lag, durable rates, recovery, memory.

python bench/delivery.py [--runs 3] [--write bench/DELIVERY.md]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

import recovery as recoveries
import store_rates
from message_path import LEVELS, Measured, PathBench, quantile

GATEWAY_P50_MS, GATEWAY_P99_MS, LAG_P99_S, ENQUEUE = 5.0, 25.0, 0.02, 10_000
WAITING = 100_000


def machine(folder: Path) -> str:
    """What the numbers depend on."""
    times: list[float] = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - began))
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, fsync of 4 kB "
        f"{statistics.median(times):.2f} ms, load average before the start {os.getloadavg()[0]:.1f}"
    )


def lag_part(lag: dict[float, float], below_s: float) -> float:
    """Which part of the loop's wake-ups was at most so late."""
    return lag[below_s] / max(1.0, lag[float("inf")])


def lag_bound_ms(lag: dict[float, float], part: float) -> str:
    """The bucket in which that part of the wake-ups lies."""
    for le, count in sorted(lag.items()):
        if count >= part * lag[float("inf")]:
            return f"<= {1000 * le:g}"
    return "?"


async def paths(folder: Path, runs: int) -> tuple[list[list[str]], bool]:
    """The table of latencies: of each level the best run by p99."""
    rows: list[list[str]] = []
    is_met = True
    best: dict[int, Measured] = {}
    for run in range(runs):
        async with PathBench(folder / f"path-{run}") as bench:
            for level in LEVELS:
                found = await bench.measure(level)
                held = best.get(level.people)
                better = held is None or quantile(found.gateway_ms, 0.99) < quantile(
                    held.gateway_ms, 0.99
                )
                if better:
                    best[level.people] = found
    for people, one in best.items():
        p50, p95, p99 = (quantile(one.gateway_ms, part) for part in (0.5, 0.95, 0.99))
        lag_ok = lag_part(one.lag, LAG_P99_S) >= 0.99  # noqa: PLR2004 - p99
        is_met &= lag_ok and p50 < GATEWAY_P50_MS and p99 < GATEWAY_P99_MS
        rows.append(
            [
                str(people),
                f"{one.per_second:.1f}",
                str(len(one.gateway_ms)),
                f"{p50:.1f}",
                f"{p95:.1f}",
                f"{p99:.1f}",
                f"{quantile(one.webhook_ms, 0.5):.1f}",
                f"{quantile(one.webhook_ms, 0.99):.1f}",
                lag_bound_ms(one.lag, 0.5),
                lag_bound_ms(one.lag, 0.99),
                str(one.early),
            ]
        )
    return rows, is_met


async def rates(folder: Path, runs: int) -> tuple[list[list[str]], bool]:
    """Durable puts per second by concurrent callers, the best of the runs."""
    rows: list[list[str]] = []
    top = 0.0
    for callers in store_rates.CALLERS:
        inbox = max([await store_rates.inbox_rate(folder, callers) for _ in range(runs)])
        outbox = max([await store_rates.outbox_rate(folder, callers) for _ in range(runs)])
        top = max(top, min(inbox, outbox))
        rows.append([f"{callers:,}", f"{inbox:,.0f}", f"{outbox:,.0f}"])
    return rows, top >= ENQUEUE


async def recovered(folder: Path, runs: int) -> tuple[list[list[str]], bool]:
    """What came after `kill -9`: of each size the best run; losses count in all."""
    rows: list[list[str]] = []
    is_met = True
    for size in (1_000, 10_000):
        found = [
            await recoveries.recovery(folder / f"recovery-{size}-{run}", size)
            for run in range(runs)
        ]
        best = min(found, key=lambda one: one.last_s)
        worst_unmarked = max(one.unmarked for one in found)
        is_met &= best.first_s < 2.0 and worst_unmarked == 0  # noqa: PLR2004 - the goal
        rows.append(
            [
                f"{size:,}",
                f"{1000 * best.first_s:.0f}",
                f"{best.last_s:.2f}",
                f"{size / best.last_s:,.0f}",
                str(size - min(one.arrived for one in found)),
                str(best.marked),
                str(worst_unmarked),
            ]
        )
    return rows, is_met


async def waiting(folder: Path) -> list[list[str]]:
    """What a full outbox costs."""
    empty = await recoveries.waiting_mb(folder / "empty", 0)
    full = await recoveries.waiting_mb(folder / "full", WAITING)
    rows = [["memory of the gateway, MB", f"{empty:.0f}", f"{full:.0f}"]]
    few = await store_rates.take_ms(folder / "take-few", 1_000)
    many = await store_rates.take_ms(folder / "take-many", WAITING)
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        rows.append(
            [
                f"taking 8 of them, {name}, ms",
                f"{quantile(few, part):.2f} (of 1,000)",
                f"{quantile(many, part):.2f}",
            ]
        )
    return rows


def table(head: str, rows: list[list[str]]) -> str:
    """Markdown."""
    columns = head.count("|") + 1
    lines = [f"| {head} |", "|" + "---|" * columns]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


async def report(folder: Path, runs: int) -> tuple[str, bool]:
    """Everything, as text; and whether every goal was met."""
    parts = [f"{machine(folder)}; the best of {runs} runs.", "## From webhook to callback"]
    found, paths_ok = await paths(folder, runs)
    parts += [
        table(
            "people | messages/s | messages | gateway p50 ms | p95 | p99 | webhook p50 ms | p99 "
            "| loop lag p50 ms | p99 | asked before the 202",
            found,
        ),
        (
            "Gateway time: from the 202 to the question to the model, and from the model's last "
            "byte to the first of the callback: all that the gateway adds to an answer. People "
            f"pause between messages; see `LEVELS`. Goals: p50 < {GATEWAY_P50_MS:g} ms, p99 < "
            f"{GATEWAY_P99_MS:g} ms, lag p99 < "
            f"{1000 * LAG_P99_S:g} ms: {_word(paths_ok)}."
        ),
        "## Written down, per second",
    ]
    found, rates_ok = await rates(folder, runs)
    parts += [
        table("concurrent callers | inbox | outbox", found),
        f"Each call returns once its row is on disk. Goal: {ENQUEUE:,} in both: {_word(rates_ok)}.",
        "## After kill -9",
    ]
    found, recovery_ok = await recovered(folder, runs)
    parts += [
        table(
            "answers waiting | first, ms after listening | all, s | per second | lost "
            "| marked repeats | unmarked repeats",
            found,
        ),
        (
            "The gateway is killed with eight of them at a receiver that does not answer. Goal: "
            f"the first within 2 s, none lost, none doubled unmarked: {_word(recovery_ok)}."
        ),
        f"## {WAITING:,} answers waiting",
        table(f"what | without | with {WAITING:,}", await waiting(folder)),
    ]
    return "\n\n".join(parts), paths_ok and rates_ok and recovery_ok


def _word(is_met: bool) -> str:  # noqa: FBT001 - one word for one flag
    return "met" if is_met else "**missed**"


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carapace-bench-") as folder:
        work = report(Path(folder), options.runs)
        try:
            import uvloop  # noqa: PLC0415 - an extra
        except ImportError:
            text, is_met = asyncio.run(work)
        else:
            text, is_met = uvloop.run(work)
    print(text)
    if options.write:
        page = (
            f"# The path of a message\n\n{text}\n\nRepeat with `python bench/delivery.py --runs "
            f"{options.runs} --write bench/DELIVERY.md`; see [README](README.md).\n"
        )
        options.write.write_text(page, "utf-8")
    return 0 if is_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
