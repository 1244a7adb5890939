"""What inbox and outbox take and give per second, on a real file with a real fsync per commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from carapace.channels.inbox.records import NewRow
from carapace.channels.inbox.service import Inbox
from carapace.channels.outbox import claims
from carapace.channels.outbox.service import Outbox
from carapace.channels.types import ChatType, Conversation, InboundMessage, Outgoing, Sender, Target
from carapace.clock import SystemClock
from carapace.ids import SessionKey
from carapace.provenance import OWNER
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.metrics import Metrics

__all__ = ["CALLERS", "fill", "inbox_rate", "outbox_rate", "outgoing", "take_ms"]

CALLERS: Final = (1, 10, 100, 1_000)
_SECONDS: Final = 2.0
_MAX_ROWS: Final = 60_000
_WIDTH: Final = 500
_TAKES: Final = 200
_LEASE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


def outgoing(number: int, conversations: int = _WIDTH) -> Outgoing:
    """An answer of usual length in one of so many conversations."""
    target = Target(channel="webhook", account="default", conversation=f"c{number % conversations}")
    text = f"Answer {number}: it is sunny, with a light wind from the west until the evening."
    return Outgoing(target=target, idempotency_key=f"bench-{number}", text=text)


def _hear_nothing(name: str, elapsed_s: float) -> None:
    """Slow writes are in the figures."""


async def _open(path: Path) -> SqliteDatabase:
    await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    return await SqliteDatabase.open(path, on_slow=_hear_nothing)


async def fill(state_dir: Path, rows: int) -> float:
    """Put `rows` into the outbox of a gateway that does not run; how many per second."""
    database = await _open(state_dir / "carapace.db")
    try:
        outbox = Outbox(database, SystemClock())

        async def put(number: int) -> object:
            return await outbox.put(outgoing(number), provenance=OWNER)

        return await _rate(put, callers=1_000, rows=rows)
    finally:
        await database.close()


async def outbox_rate(folder: Path, callers: int) -> float:
    """`Outbox.put` per second, each durable when it returns."""
    database = await _open(folder / f"outbox-{callers}-{time.time_ns()}.db")
    try:
        outbox = Outbox(database, SystemClock())

        async def put(number: int) -> object:
            return await outbox.put(outgoing(number), provenance=OWNER)

        return await _rate(put, callers=callers)
    finally:
        await database.close()


async def inbox_rate(folder: Path, callers: int) -> float:
    """`Inbox.put` per second, each durable when it returns."""
    clock = SystemClock()
    database = await _open(folder / f"inbox-{callers}-{time.time_ns()}.db")
    try:
        inbox = Inbox(
            database, clock, metrics=Metrics("bench", with_process=False), max_waiting=10_000_000
        )

        async def put(number: int) -> object:
            return await inbox.put(_new_row(number, clock.now_ms()))

        return await _rate(put, callers=callers)
    finally:
        await database.close()


async def take_ms(folder: Path, rows: int) -> list[float]:
    """How long the sender's transaction takes that finds and takes 8 of so many rows."""
    await fill(folder / "state", rows)
    database = await _open(folder / "state" / "carapace.db")
    clock, times = SystemClock(), list[float]()
    try:
        for _ in range(_TAKES):
            grant = claims.Grant(key=("webhook", "default"), limit=8)
            plan = claims.Plan(
                now_ms=clock.now_ms(), lease_ms=_LEASE_MS, max_wait_ms=_DAY_MS, grants=(grant,)
            )
            began = time.perf_counter()
            await database.write(lambda tx, plan=plan: claims.step(tx, plan))
            times.append(1000 * (time.perf_counter() - began))
    finally:
        await database.close()
    return times


async def _rate(
    put: Callable[[int], Awaitable[object]], *, callers: int, rows: int | None = None
) -> float:
    """So many callers, each one row after the other, for some seconds or until `rows` are in."""
    count, most = 0, rows or _MAX_ROWS
    began = time.perf_counter()

    async def call() -> None:
        nonlocal count
        while count < most and (rows or time.perf_counter() - began < _SECONDS):
            count += 1
            await put(count)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(call())
    return count / (time.perf_counter() - began)


def _new_row(number: int, now_ms: int) -> NewRow:
    room = f"room-{number % _WIDTH}"
    message = InboundMessage(
        channel="webhook",
        account="default",
        message_id=f"m{number}",
        conversation=Conversation(id=room, chat_type=ChatType.GROUP),
        sender=Sender(id="somebody"),
        text="How is the weather where you are?",
    )
    return NewRow(
        message=message,
        provenance=OWNER,
        lane=f"webhook/{number % 5_000}",
        session_key=SessionKey(f"agent:main:webhook:{room}"),
        received_at_ms=now_ms,
        due_at_ms=now_ms,
    )
