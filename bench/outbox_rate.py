"""How fast the outbox is: `python bench/outbox_rate.py [--folder DIR] [--rows N] [--write FILE]`.

Messages are put durably (`synchronous=FULL`), taken, given to a channel that does nothing, and
marked. All in one process, as in the gateway; the folder decides which disk is measured.
"""

# A port's arguments are given, needed or not.
# ruff: noqa: ARG002, ARG005

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from carapace.channels.outbox.records import insert
from carapace.channels.outbox.sender import Sender
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import ChannelInfo, Delivered, Outgoing, SendOutcome, Target
from carapace.clock import SystemClock
from carapace.provenance import OWNER
from carapace.store.ports import Tx
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor

INFO = ChannelInfo(id="bench", label="Bench")
TEXT = "x" * 200
CHUNK = 2_000


@dataclass
class Account:
    """A channel that does nothing but note when it was asked."""

    problem: str | None = None
    count: int = 0
    waiting: dict[str, asyncio.Future[float]] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    goal: int = 0

    def trouble(self) -> str | None:
        """Whether it can send."""
        return self.problem

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """Note that it was asked."""
        self.count += 1
        if (future := self.waiting.pop(outgoing.idempotency_key, None)) is not None:
            future.set_result(time.perf_counter())
        if self.count >= self.goal:
            self.done.set()
        return Delivered()

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        """Never called: `INFO.can_look_up` is false."""
        return None

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """Nothing to see."""

    async def aclose(self) -> None:
        """Nothing to stop."""


@dataclass
class Bench:
    """An outbox with a sender that is not started."""

    database: SqliteDatabase
    outbox: Outbox
    sender: Sender
    account: Account


@asynccontextmanager
async def bench(folder: Path) -> AsyncGenerator[Bench]:
    """In `folder`, which keeps its rows."""
    clock = SystemClock()
    database = await SqliteDatabase.open(folder / "carapace.db", on_slow=lambda name, s: None)
    outbox, account = Outbox(database, clock), Account()
    audit = Audit(folder / "audit", clock=clock, redactor=Redactor())
    sender = Sender(
        outbox,
        lambda channel, name: account,
        lambda channel: INFO,
        database=database,
        clock=clock,
        metrics=Metrics("bench", with_process=False),
        audit=audit,
        publish=lambda event: None,
        on_dead=_on_dead,
    )
    try:
        yield Bench(database, outbox, sender, account)
    finally:
        audit.close()
        await database.close()


async def _on_dead(rows: tuple[OutboxRow, ...]) -> None:
    raise AssertionError(rows)


def _message(key: str, conversation: str) -> Outgoing:
    target = Target(channel="bench", account="default", conversation=conversation)
    return Outgoing(target=target, idempotency_key=key, text=TEXT)


async def enqueue_rate(folder: Path, callers: int, count: int) -> str:
    """Durable puts a second by so many concurrent callers, nothing being sent."""
    async with bench(folder) as one:

        async def call(caller: int) -> None:
            for number in range(count // callers):
                message = _message(f"{caller}-{number}", f"c{caller}")
                await one.outbox.put(message, provenance=OWNER)

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for caller in range(callers):
                group.create_task(call(caller))
        rate = count / (time.perf_counter() - started)
    return f"| durable enqueue, {callers} callers | {rate:,.0f}/s |"


async def latency(folder: Path, conversations: int, count: int, pause_s: float) -> list[str]:
    """From `put` to the channel's call; each conversation waits for its answer, then rests."""
    async with bench(folder) as one:
        times: list[float] = []
        lags: list[float] = []

        async def talk(conversation: int) -> None:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(pause_s * conversation / conversations)
            for number in range(count // conversations):
                key = f"{conversation}-{number}"
                one.account.waiting[key] = asked = loop.create_future()
                started = time.perf_counter()
                await one.outbox.put(_message(key, f"c{conversation}"), provenance=OWNER)
                times.append(1000 * (await asked - started))
                await asyncio.sleep(pause_s)

        run = asyncio.create_task(one.sender.run())
        watch = asyncio.create_task(_watch_lag(lags))
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for conversation in range(conversations):
                group.create_task(talk(conversation))
        rate = len(times) / (time.perf_counter() - started)
        watch.cancel()
        await one.sender.drain(5)
        await run
    p50, p99, lag = statistics.median(times), _p99(times), _p99(lags)
    what = f"put to channel, {conversations} conversations, {rate:,.0f} messages/s"
    return [f"| {what} | p50 {p50:.2f} ms, p99 {p99:.2f} ms; loop lag p99 {lag:.2f} ms |"]


async def _watch_lag(lags: list[float]) -> None:
    while True:
        started = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append(1000 * (time.perf_counter() - started - 0.01))


async def backlog(folder: Path, rows: int, conversations: int) -> list[str]:
    """So many rows wait: memory, how long a start takes, how fast they go."""
    async with bench(folder) as one:
        for first in range(0, rows, CHUNK):
            await one.database.write(_filler(first, min(CHUNK, rows - first), conversations))
        # Eight were with their channel when the process died.
        await one.database.write(
            lambda tx: tx.execute(
                "UPDATE outbox SET state = 'sending', lease_until_ms = 1, taken_at_ms = 1,"
                " attempts = 1, fence = 1 WHERE outbox_id <= 8 AND is_head = 1"
            )
        )
    lines: list[str] = []
    started = time.perf_counter()
    async with bench(folder) as one:
        opened = time.perf_counter()
        before_mb = _rss_mb()
        found = await one.sender.recover()
        recovered = time.perf_counter()
        one.account.problem = "connecting"
        run = asyncio.create_task(one.sender.run())
        await asyncio.sleep(1)
        lines += [
            f"| {rows:,} rows waiting: open the database | {1000 * (opened - started):.0f} ms |",
            f"| recover ({found.unknown} unknown) | {1000 * (recovered - opened):.1f} ms |",
            f"| memory more than empty | {_rss_mb() - before_mb:.1f} MB |",
        ]
        one.account.goal = one.account.count + 1
        ready = time.perf_counter()
        one.account.problem = None
        one.outbox.notify()
        await one.account.done.wait()
        lines.append(
            f"| channel ready to first call | {1000 * (time.perf_counter() - ready):.1f} ms |"
        )
        one.account.done.clear()
        one.account.goal = goal = rows // 5
        await one.account.done.wait()
        rate = goal / (time.perf_counter() - ready)
        lines.append(f"| sent from {conversations:,} conversations, one account | {rate:,.0f}/s |")
        await one.sender.drain(5)
        await run
    return lines


def _filler(first: int, count: int, conversations: int) -> Callable[[Tx], None]:
    now_ms = SystemClock().now_ms()

    def fill(tx: Tx) -> None:
        for number in range(first, first + count):
            insert(
                tx,
                _message(f"k{number}", f"c{number % conversations}"),
                provenance=OWNER,
                run_id=None,
                created_at_ms=now_ms,
                expires_at_ms=now_ms + 3_600_000,
            )

    return fill


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 1_000_000


async def measure(folder: Path, rows: int) -> list[str]:
    """The table."""
    lines = ["| what | figure |", "| --- | --- |"]
    for callers, count in ((1, 2_000), (8, 8_000), (64, 30_000), (256, 50_000)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            lines.append(await enqueue_rate(Path(place), callers, count))
    for conversations, pause_s in ((1, 0.005), (10, 0.02), (100, 0.2)):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            lines += await latency(Path(place), conversations, 3_000, pause_s)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        lines += await backlog(Path(place), rows, 1_000)
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--write", type=Path, default=None, help="also write the table here")
    given = parser.parse_args()
    table = "\n".join(asyncio.run(measure(given.folder, given.rows)))
    print(table)
    if given.write is not None:
        given.write.write_text(f"# Outbox\n\n{table}\n", "utf-8")


if __name__ == "__main__":
    main()
