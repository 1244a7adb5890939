"""Outboxes for tests: rows in a database in memory, and a whole sender around a fake service."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from carapace.channels.outbox import records
from carapace.channels.outbox.attempt import BeforeSend
from carapace.channels.outbox.sender import AfterSend, Sender, SenderOptions
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import ChannelInfo, Outgoing, Target
from carapace.clock import Clock, SystemClock
from carapace.protocol.events import Event
from carapace.provenance import OWNER, Provenance
from carapace.store.migrate import load_migrations, migrate
from carapace.store.ports import Database, Tx
from carapace.store.sqlite import SqliteDatabase
from carapace.store.tx import SqliteTx
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.recording_channel import RECORDING_INFO, RecordingAccount, RecordingIntake

__all__ = [
    "BLIND",
    "DROPS",
    "LOOKS_UP",
    "Ears",
    "SendingHouse",
    "invariants",
    "memory_tx",
    "outgoing",
    "put",
    "sending_house",
]

BLIND = replace(RECORDING_INFO, can_look_up=False)
"""A service that can neither drop repeats nor say what arrived."""
DROPS = replace(BLIND, drops_repeats=True)
LOOKS_UP = RECORDING_INFO


def memory_tx() -> SqliteTx:
    """A transaction on the real schema, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys=ON")
    migrate(connection, Path("memory.db"), load_migrations(), now_ms=0)
    return SqliteTx(connection)


def outgoing(
    key: str,
    conversation: str = "room",
    *,
    account: str = "default",
    channel: str = "recording",
    **more: Any,
) -> Outgoing:
    """A message whose text is its key."""
    target = Target(channel=channel, account=account, conversation=conversation)
    more.setdefault("text", key)
    return Outgoing(target=target, idempotency_key=key, **more)


def put(
    tx: Tx,
    key: str,
    conversation: str = "room",
    *,
    at_ms: int = 0,
    ttl_ms: int = 3_600_000,
    group: str | None = None,
    provenance: Provenance = OWNER,
    account: str = "default",
) -> int:
    """Insert a new message; its id."""
    made = records.insert(
        tx,
        outgoing(key, conversation, account=account),
        provenance=provenance,
        run_id=None,
        created_at_ms=at_ms,
        expires_at_ms=at_ms + ttl_ms,
        group=group,
    )
    assert made is not None
    return made


def invariants(tx: Tx) -> None:
    """Every conversation with open rows has one head, and nothing ended is one."""
    bad = tx.all(
        "SELECT conversation, sum(is_head) AS heads FROM outbox WHERE ended_at_ms IS NULL"
        " GROUP BY channel, account, conversation HAVING heads != 1"
    )
    assert [tuple(row) for row in bad] == []
    assert tx.all("SELECT 1 FROM outbox WHERE ended_at_ms IS NOT NULL AND is_head = 1") == []


@dataclass
class Ears:
    """Hears everything that a sender tells."""

    events: list[Event] = field(default_factory=list)
    dead: list[OutboxRow] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_dead(self, rows: tuple[OutboxRow, ...]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.dead.extend(rows)
        self.heard.set()

    def publish(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class SendingHouse:
    """A sender with everything it needs; accounts by name."""

    folder: Path
    database: Database
    clock: Clock
    outbox: Outbox
    sender: Sender
    accounts: dict[str, RecordingAccount]
    ears: Ears
    metrics: Metrics
    info: ChannelInfo
    task: asyncio.Task[None] | None = None

    @property
    def account(self) -> RecordingAccount:
        return self.accounts["default"]

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self.sender.run())

    async def put(self, key: str, conversation: str = "room", **more: Any) -> int:
        made = outgoing(key, conversation, account=more.pop("account", "default"))
        queued = await self.outbox.put(made, provenance=OWNER, **more)
        return queued.outbox_id

    async def row(self, outbox_id: int) -> OutboxRow:
        detail = await self.outbox.get(outbox_id)
        assert detail is not None
        return detail.row

    async def until(
        self, check: Callable[[], Awaitable[object]], *, deadline_s: float = 15.0
    ) -> None:
        """Wait for something that only the database knows."""
        async with asyncio.timeout(deadline_s):
            while not await check():  # noqa: ASYNC110 - the database tells of nothing
                await asyncio.sleep(0.002)

    async def failed_once(self, outbox_id: int) -> None:
        """Wait until the database knows of this row's first failure."""

        async def has_failed() -> bool:
            return (await self.row(outbox_id)).failures == 1

        await self.until(has_failed)

    async def ended(self, *outbox_ids: int) -> list[OutboxRow]:
        """These rows, once all have ended; a fake clock goes on meanwhile."""

        async def all_ended() -> bool:
            if isinstance(self.clock, FakeClock):
                await self.clock.advance(1)
            rows = [await self.row(one) for one in outbox_ids]
            return all(row.ended_at_ms is not None for row in rows)

        await self.until(all_ended)
        return [await self.row(one) for one in outbox_ids]

    async def stop(self) -> None:
        """As a killed process: nothing is drained."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})
            self.task = None


@asynccontextmanager
async def sending_house(
    *,
    info: ChannelInfo = BLIND,
    clock: Clock | None = None,
    options: SenderOptions | None = None,
    before_send: BeforeSend | None = None,
    after_send: AfterSend | None = None,
    folder: Path | None = None,
    luck: Callable[[], float] = lambda: 0.0,
    wrap: Callable[[SqliteDatabase], Database] = lambda database: database,
    **more: Any,
) -> AsyncGenerator[SendingHouse]:
    """A house whose sender is not started yet; `folder` is kept, else all is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="carapace-outbox-") as temporary:
        where = folder or Path(temporary)
        time = clock or SystemClock()
        sqlite = await SqliteDatabase.open(where / "carapace.db")
        database = wrap(sqlite)
        accounts = {"default": RecordingAccount(info, "default", RecordingIntake())}
        ears, metrics = Ears(), Metrics("1", with_process=False)
        outbox = Outbox(database, time)
        audit = Audit(where / "audit", clock=time, redactor=Redactor())
        sender = Sender(
            outbox,
            lambda channel, account: accounts.get(account),
            lambda channel: info,
            database=database,
            clock=time,
            metrics=metrics,
            audit=audit,
            publish=ears.publish,
            on_dead=ears.on_dead,
            before_send=before_send,
            after_send=after_send,
            options=options,
            luck=luck,
            **more,
        )
        house = SendingHouse(where, database, time, outbox, sender, accounts, ears, metrics, info)
        try:
            yield house
        finally:
            await house.stop()
            audit.close()
            await sqlite.close()
