"""Nobody dies unheard."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from carapace.channels.outbox import records
from carapace.channels.outbox.notices import Notices
from carapace.channels.outbox.types import Cause, OutboxRow, OutboxState
from carapace.protocol.delivery import DeliveryEvent
from carapace.protocol.events import Event
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.database import memory_database
from support.outbox import Ears, put
from support.polling import until


@dataclass
class Office:
    database: Database
    notices: Notices
    ears: Ears
    clock: FakeClock
    folder: Path


@pytest.fixture
async def office(tmp_path: Path):
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(memory_database())
        clock, ears = FakeClock(), Ears()
        audit = Audit(tmp_path, clock=clock, redactor=Redactor())
        stack.callback(audit.close)
        notices = Notices(database, clock, ears.on_dead, audit=audit, publish=ears.publish)
        yield Office(database, notices, ears, clock, tmp_path)


def kill(tx: Tx, key: str) -> OutboxRow:
    row = records.find(tx, put(tx, key))
    assert row is not None
    [dead] = records.close(
        tx, row, state=OutboxState.DEAD, now_ms=7, cause=Cause.REFUSED, reason="blocked"
    )
    return dead


async def test_the_dead_are_told_of_once_oldest_first(office: Office):
    for key in ("a", "b"):
        await office.database.write(lambda tx, key=key: kill(tx, key))
    assert await office.notices.tell_all() == 2
    assert [row.idempotency_key for row in office.ears.dead] == ["a", "b"]
    assert await office.notices.tell_all() == 0


async def test_many_are_told_of_in_portions(office: Office):
    await office.database.write(lambda tx: [kill(tx, f"k{n}") for n in range(250)])
    assert await office.notices.tell_all() == 250
    assert len(office.ears.dead) == 250


async def test_who_could_not_be_told_is_told_later(office: Office):
    await office.database.write(lambda tx: kill(tx, "a"))
    office.ears.failures = [ValueError("no session"), ValueError("still none")]
    task = asyncio.create_task(office.notices.run())
    await until(lambda: len(office.ears.failures) == 1)
    await office.clock.advance(0.5)
    assert office.ears.dead == []
    await office.clock.advance(0.6)
    await until(lambda: not office.ears.failures)
    await office.clock.advance(2.1)
    await asyncio.wait_for(office.ears.heard.wait(), 5)
    task.cancel()
    await asyncio.wait({task})
    assert [row.idempotency_key for row in office.ears.dead] == ["a"]


async def test_a_death_wakes_the_teller_and_leaves_an_audit_line(office: Office):
    task = asyncio.create_task(office.notices.run())
    dead = await office.database.write(lambda tx: kill(tx, "a"))
    office.notices.tell(dead)
    await asyncio.wait_for(office.ears.heard.wait(), 5)
    task.cancel()
    await asyncio.wait({task})
    [line] = (office.folder / "audit.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert (said["kind"], said["cause"], said["reason"]) == ("delivery.dead", "refused", "blocked")
    [event] = office.ears.events
    assert event.payload == DeliveryEvent(
        id=dead.outbox_id,
        channel="recording",
        account="default",
        conversation="room",
        state="dead",
        ts=7,
        cause="refused",
        reason="blocked",
    )


async def test_a_delivery_is_an_event_and_nothing_more(office: Office):
    def deliver(tx: Tx) -> OutboxRow:
        row = records.find(tx, put(tx, "a"))
        assert row is not None
        [done] = records.close(
            tx, row, state=OutboxState.DELIVERED, now_ms=9, message_id="m", may_be_repeat=True
        )
        return done

    office.notices.tell(await office.database.write(deliver))
    [event] = office.ears.events
    payload = event.payload
    assert (payload.state, payload.message_id, payload.may_be_repeat) == ("delivered", "m", True)
    assert not (office.folder / "audit.jsonl").exists()


async def test_a_listener_that_breaks_breaks_nothing_else(office: Office, tmp_path: Path):
    def refuse(event: Event) -> None:
        raise KeyError(event.name)

    audit = Audit(tmp_path / "other", clock=office.clock, redactor=Redactor())
    notices = Notices(
        office.database, office.clock, office.ears.on_dead, audit=audit, publish=refuse
    )
    notices.tell(await office.database.write(lambda tx: kill(tx, "a")))
    assert await notices.tell_all() == 1
    audit.close()


async def test_a_teller_that_hangs_is_stopped(office: Office, tmp_path: Path):
    async def hang(rows: tuple[OutboxRow, ...]) -> None:
        await asyncio.Event().wait()

    audit = Audit(tmp_path / "other", clock=office.clock, redactor=Redactor())
    notices = Notices(
        office.database,
        office.clock,
        hang,
        audit=audit,
        publish=office.ears.publish,
        timeout_s=0.01,
    )
    await office.database.write(lambda tx: kill(tx, "a"))
    with pytest.raises(TimeoutError):
        await notices.tell_all()
    audit.close()
