"""`sessions.list` with 10,000 sessions here and 1,000 sessions at the Node gateway.

CARAPACE_NODE_GATEWAY=FOLDER python bench/sessions_list.py [--calls 100] [--ours 10000]

Both are asked on one connection, one call after another, for the same lists. The goal is one
fifth of Node's time with a tenth of the sessions. Without the folder only ours is measured.
`side_by_side.py` asks for the lists of `GOAL_LISTS` in each of its rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from measure import Client

from carapace.clock import SystemClock
from carapace.ids import SessionKey
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.sessions import records
from carapace.sessions.types import Route, StoredMessage, Touch
from carapace.store.ports import Tx
from carapace.store.sqlite import SqliteDatabase
from peers import Peer, carapace, model_server, node_gateway


class Asked(NamedTuple):
    """A list, and whether a session changes before each call."""

    name: str
    params: str
    is_after_change: bool = False


_TEXTS = '"includeDerivedTitles":true,"includeLastMessage":true'
GOAL_LISTS = (
    Asked("the newest 120 (Control UI)", '{"limit":120,"includeGlobal":true}'),
    Asked("no limit (ours: the newest 1,000)", "{}"),
    Asked("no limit, one changed before", "{}", is_after_change=True),
    Asked("no limit, titles and last words (TUI)", f"{{{_TEXTS}}}"),
)
LISTS = (
    *GOAL_LISTS,
    Asked("TUI's, one changed before", f"{{{_TEXTS}}}", is_after_change=True),
    Asked("the newest 100, titles and last words", f'{{"limit":100,{_TEXTS}}}'),
    Asked("a search", '{"limit":100,"search":"person 77"}'),
    Asked("a search, one changed before", '{"limit":100,"search":"person 77"}', True),
    Asked("active in the last hour", '{"limit":100,"activeMinutes":60}'),
)
GOAL = 0.2
_MINUTE_MS = 60_000


def key_of(number: int) -> SessionKey:
    """The key of one of many conversations."""
    return SessionKey(f"agent:main:webhook:dm:person-{number}")


async def fill_ours(home: Path, count: int) -> None:
    """Sessions with a message each, the newest last."""
    now_ms = time.time_ns() // 1_000_000
    (home / "state").mkdir(parents=True, exist_ok=True)
    file = home / "state" / "carapace.db"
    # A thousand sessions in one transaction are meant to take long.
    database = await SqliteDatabase.open(file, clock=SystemClock(), slow_s=60.0)

    def work(tx: Tx, numbers: range) -> None:
        for number in numbers:
            at_ms = now_ms - (count - number) * _MINUTE_MS
            entry = records.ensure(tx, key_of(number), now_ms=at_ms)
            text = ({"type": "text", "text": f"What I wanted to ask, number {number}"},)
            message = StoredMessage(f"m{number}", "user", text, at_ms)
            records.append_message(tx, entry.session_id, message)
            records.set_route(tx, entry.key, _route(number))
            used = Touch(model_provider="fake", model="fake-1", total_tokens=7_800)
            records.touch(tx, entry.key, used, now_ms=at_ms)

    try:
        for start in range(0, count, 1_000):
            numbers = range(start, min(start + 1_000, count))
            await database.write(lambda tx, numbers=numbers: work(tx, numbers))
    finally:
        await database.close()


def _route(number: int) -> Route:
    name = f"Person {number}"
    return Route(
        origin=SessionOrigin(label=name, provider="webchat", surface="webchat", chat_type="direct"),
        delivery=DeliveryContext(channel="webchat"),
        chat_type="direct",
        display_name=name,
        last_channel="webchat",
    )


def fill_node(home: Path, count: int) -> None:
    """The same as the files that the Node gateway keeps."""
    folder = home / ".clawdbot" / "agents" / "main" / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    now_ms = time.time_ns() // 1_000_000
    store = {}
    for number in range(count):
        session_id, at_ms = str(uuid.uuid4()), now_ms - (count - number) * _MINUTE_MS
        name = f"Person {number}"
        origin = {"label": name, "provider": "webchat", "surface": "webchat"}
        store[key_of(number)] = {
            "sessionId": session_id,
            "updatedAt": at_ms,
            "chatType": "direct",
            "displayName": name,
            "origin": {**origin, "chatType": "direct"},
            "deliveryContext": {"channel": "webchat"},
            "lastChannel": "webchat",
            "modelProvider": "fake",
            "model": "fake-1",
            "totalTokens": 7_800,
        }
        content = [{"type": "text", "text": f"What I wanted to ask, number {number}"}]
        lines = [
            {
                "type": "session",
                "version": 3,
                "id": session_id,
                "timestamp": "2026-01-01T00:00:00Z",
            },
            {"type": "message", "id": "aaaaaaaa", "message": {"role": "user", "content": content}},
        ]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / f"{session_id}.jsonl").write_text(text)
    (folder / "sessions.json").write_text(json.dumps(store))


async def measured(peer: Peer, calls: int, lists: Sequence[Asked] = LISTS) -> dict[str, float]:
    """The median of each list in milliseconds, in a process started for this."""
    peer.start()
    try:
        await asyncio.sleep(1.5)
        client = await Client.open(peer)
        found = {asked.name: await _median(client, asked, calls) for asked in lists}
        await client.close()
    finally:
        peer.stop()
    return found


async def _median(client: Client, asked: Asked, calls: int) -> float:
    samples: list[float] = []
    for number in range(calls + 3):
        if asked.is_after_change:
            label = json.dumps({"key": key_of(number), "label": uuid.uuid4().hex})
            await client.call(f"p{number}", "sessions.patch", label)
        began = time.perf_counter()
        await client.call(f"l{number}", "sessions.list", asked.params)
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples[3:])


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--ours", type=int, default=10_000)
    parser.add_argument("--node", type=int, default=1_000)
    asked = parser.parse_args()
    folder = os.environ.get("CARAPACE_NODE_GATEWAY")
    with tempfile.TemporaryDirectory(prefix="carapace-bench-") as name:
        home = Path(name)
        model = model_server(home)
        model.start()
        try:
            await fill_ours(home / "ours", asked.ours)
            ours = await measured(carapace(home / "ours", model.port), asked.calls)
            theirs: dict[str, float] = {}
            if folder:
                fill_node(home / "node", asked.node)
                peer = node_gateway(Path(folder), home / "node", model.port)
                theirs = await measured(peer, asked.calls)
        finally:
            model.stop()
    print(f"| sessions.list | ours, {asked.ours} | Node, {asked.node} | ratio | goal |")
    print("|---|---|---|---|---|")
    for one in LISTS:
        our_ms, node_ms = ours[one.name], theirs.get(one.name)
        ratio = f"{our_ms / node_ms:.3f}" if node_ms else "-"
        shown = f"{node_ms:.2f} ms" if node_ms else "-"
        print(f"| {one.name} | {our_ms:.2f} ms | {shown} | {ratio} | {GOAL} |")


if __name__ == "__main__":
    asyncio.run(main())
