from __future__ import annotations

import pytest

from carapace.channels.live import draft_records
from carapace.channels.live.draft_records import DraftRow
from carapace.channels.outbox import records as outbox_records
from carapace.channels.types import Outgoing, OutgoingKind, Target
from carapace.provenance import OWNER
from support.database import memory_database

TARGET = Target(channel="recording", account="a", conversation="c", thread_id="t")
WEEK_MS = 7 * 24 * 3600 * 1000


def answer(number=1, **more):
    return Outgoing(target=TARGET, idempotency_key=f"r/{number}", text="done", **more)


@pytest.fixture
async def database():
    async with memory_database() as one:
        yield one


async def begun(database, message_id: str | None = "m1"):
    await database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))
    if message_id is not None:
        await database.write(lambda tx: draft_records.shown(tx, "r", message_id))


async def settle(database, *outgoing, can_delete=True):
    return await database.write(
        lambda tx: draft_records.settle(tx, "r", outgoing, can_delete=can_delete)
    )


async def test_a_draft_is_found_with_its_message(database):
    assert await database.read(lambda tx: draft_records.find(tx, "r")) is None
    await begun(database, None)
    assert await database.read(lambda tx: draft_records.find(tx, "r")) == DraftRow(
        "r", TARGET, None
    )
    await begun(database)
    assert await database.read(lambda tx: draft_records.find(tx, "r")) == DraftRow(
        "r", TARGET, "m1"
    )


async def test_a_run_begins_one_draft(database):
    begin = draft_records.begin
    assert await database.write(lambda tx: begin(tx, "r", TARGET, now_ms=1))
    assert not await database.write(lambda tx: begin(tx, "r", TARGET, now_ms=2))


async def test_there_is_no_draft_while_earlier_messages_wait(database):
    await database.write(
        lambda tx: outbox_records.insert(
            tx, answer(), provenance=OWNER, run_id=None, created_at_ms=1, expires_at_ms=99
        )
    )
    assert not await database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))


async def test_the_first_message_takes_the_place_of_the_draft(database):
    await begun(database)
    first, second = await settle(database, answer(1, reply_to="q"), answer(2))
    assert first == answer(1, kind=OutgoingKind.EDIT, about_message_id="m1")
    assert second == answer(2)
    assert await database.read(lambda tx: draft_records.find(tx, "r")) is None


async def test_settling_again_changes_nothing(database):
    await begun(database)
    await settle(database, answer())
    assert await settle(database, answer()) == (answer(),)


async def test_without_a_draft_all_stays_as_it_is(database):
    assert await settle(database, answer()) == (answer(),)
    assert await settle(database) == ()


async def test_a_draft_that_nobody_knows_of_is_not_changed(database):
    await begun(database, None)
    assert await settle(database, answer()) == (answer(),)
    assert await database.read(lambda tx: draft_records.find(tx, "r")) is None


async def test_if_nothing_is_said_after_all_the_draft_goes(database):
    await begun(database)
    (gone,) = await settle(database)
    assert gone == Outgoing(
        target=TARGET,
        idempotency_key="r/draft/gone",
        kind=OutgoingKind.DELETE,
        about_message_id="m1",
    )


async def test_it_stays_where_nothing_can_be_deleted(database):
    await begun(database)
    assert await settle(database, can_delete=False) == ()


@pytest.mark.parametrize(
    "first",
    [
        answer(media=("x",)),
        answer(kind=OutgoingKind.REACTION),
        Outgoing(
            target=Target(channel="recording", account="a", conversation="other"),
            idempotency_key="r/1",
        ),
    ],
    ids=["media", "reaction", "elsewhere"],
)
async def test_only_a_text_to_the_same_place_can_take_its_place(database, first):
    await begun(database)
    assert await settle(database, first) == (first,)


async def test_drafts_of_runs_that_never_ended_are_forgotten(database):
    await begun(database)
    other = Target(channel="recording", account="a", conversation="d")
    await database.write(lambda tx: draft_records.begin(tx, "s", other, now_ms=WEEK_MS + 2))
    assert await database.read(lambda tx: draft_records.find(tx, "r")) is None
