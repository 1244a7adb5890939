"""SQL of sessions: each function alone and several in one transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from carapace.ids import SessionKey
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.sessions import records
from carapace.sessions.types import Route, SessionEntry, Touch, UsageTotals
from carapace.store.ports import Database, Tx
from support.database import memory_database
from support.transcripts import said

KEY = SessionKey("agent:main:main")


@pytest.fixture(name="database")
async def _database() -> AsyncGenerator[Database]:
    async with memory_database() as database:
        yield database


async def found(database: Database, key: SessionKey = KEY) -> SessionEntry:
    entry = await database.read(lambda tx: records.find(tx, key))
    assert entry is not None
    return entry


async def test_ensure_makes_a_session_once(database: Database):
    first = await database.write(lambda tx: records.ensure(tx, KEY, now_ms=10))
    again = await database.write(lambda tx: records.ensure(tx, KEY, now_ms=99))
    assert first == again == await found(database)
    assert (first.agent_id, first.created_at_ms, first.updated_at_ms) == ("main", 10, 10)


async def test_a_session_without_an_agents_key_belongs_to_the_default_agent(database: Database):
    made = await database.write(
        lambda tx: records.ensure(tx, SessionKey("global"), now_ms=1, default_agent="work")
    )
    assert made.agent_id == "work"


async def test_messages_are_numbered_and_never_doubled(database: Database):
    def append(tx: Tx) -> list[int]:
        one = records.ensure(tx, KEY, now_ms=1)
        messages = [said("a", "one"), said("b", "two"), said("a", "one"), said("c", "three")]
        return [records.append_message(tx, one.session_id, message) for message in messages]

    assert await database.write(append) == [1, 2, 1, 3]
    assert await database.write(append) == [1, 2, 1, 3]


async def test_a_message_needs_a_transcript(database: Database):
    with pytest.raises(Exception, match="FOREIGN KEY"):
        await database.write(lambda tx: records.append_message(tx, "nowhere", said("a", "x")))


async def test_half_an_emoji_does_not_lose_the_message(database: Database):
    entry = await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    broken = said("a", "so \ud83e", "assistant")
    await database.write(lambda tx: records.append_message(tx, entry.session_id, broken))
    row = await database.read(lambda tx: tx.one("SELECT excerpt FROM messages"))
    assert row is not None
    assert row["excerpt"] == "so \ufffd"


async def test_touch_changes_what_is_said_and_time_never_goes_back(database: Database):
    await database.write(lambda tx: records.ensure(tx, KEY, now_ms=100))
    full = Touch(
        model_provider="fake",
        model="fake-1",
        context_tokens=128000,
        input_tokens=8102,
        output_tokens=3,
        total_tokens=8102,
        system_sent=True,
        aborted_last_run=True,
    )
    assert await database.write(lambda tx: records.touch(tx, KEY, full, now_ms=50))
    entry = await found(database)
    assert entry.updated_at_ms == 100
    assert (entry.model, entry.input_tokens, entry.system_sent) == ("fake-1", 8102, True)
    assert entry.aborted_last_run is True
    await database.write(
        lambda tx: records.touch(tx, KEY, Touch(aborted_last_run=False), now_ms=200)
    )
    entry = await found(database)
    assert (entry.updated_at_ms, entry.model, entry.aborted_last_run) == (200, "fake-1", False)


async def test_touching_a_session_that_is_gone_says_so(database: Database):
    assert not await database.write(lambda tx: records.touch(tx, KEY, Touch(), now_ms=1))


async def test_usage_adds_up_and_outlives_a_reset(database: Database):
    used = UsageTotals(10, 20, 30, 40, 50)
    await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    for _ in range(2):
        await database.write(lambda tx: records.touch(tx, KEY, Touch(), now_ms=1, usage=used))
    await database.write(lambda tx: records.renew(tx, KEY, now_ms=2))
    assert (await found(database)).used == UsageTotals(20, 40, 60, 80, 100)


async def test_a_route_that_is_there_already_is_not_written_again(database: Database):
    route = Route(origin=SessionOrigin(label="golden"), chat_type="direct", last_channel="webchat")
    await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    await database.write(lambda tx: records.set_route(tx, KEY, route))
    entry = await found(database)

    changes = await database.read(lambda tx: tx.one("SELECT revision FROM sessions"))
    await database.write(lambda tx: records.set_route(tx, KEY, route, entry=entry))
    assert await database.read(lambda tx: tx.one("SELECT revision FROM sessions")) == changes
    moved = replace(route, chat_type="group")
    await database.write(lambda tx: records.set_route(tx, KEY, moved, entry=entry))
    assert (await found(database)).chat_type == "group"


async def test_a_route_is_kept_and_partly_replaced(database: Database):
    origin = SessionOrigin(label="golden", provider="webchat", surface="webchat")
    await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    route = Route(origin=origin, delivery=DeliveryContext(channel="webchat"), chat_type="direct")
    await database.write(lambda tx: records.set_route(tx, KEY, route))
    await database.write(lambda tx: records.set_route(tx, KEY, Route(last_channel="webchat")))
    await database.write(lambda tx: records.set_route(tx, KEY, Route()))
    entry = await found(database)
    assert (entry.origin, entry.delivery) == (origin, DeliveryContext(channel="webchat"))
    assert (entry.chat_type, entry.last_channel) == ("direct", "webchat")


async def test_a_route_of_a_session_that_is_gone_changes_nothing(database: Database):
    route = Route(display_name="ghost")
    await database.write(lambda tx: records.set_route(tx, KEY, route))
    assert await database.read(lambda tx: records.find(tx, KEY)) is None


async def test_only_fields_that_may_be_set_are_set(database: Database):
    await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    for name in ("key", "session_id", "used", "origin", "key = '' --"):
        with pytest.raises(ValueError, match="not fields"):
            await database.write(
                lambda tx, name=name: records.set_fields(tx, KEY, {name: "x"}, now_ms=2)
            )
    await database.write(lambda tx: records.set_fields(tx, KEY, {"label": "L"}, now_ms=2))
    assert (await found(database)).label == "L"
    assert await database.read(lambda tx: records.label_owner(tx, "L")) == KEY
    assert await database.read(lambda tx: records.label_owner(tx, "other")) is None


async def test_renew_keeps_settings_and_drops_facts_about_the_old_transcript(database: Database):
    def prepare(tx: Tx) -> SessionEntry:
        entry = records.ensure(tx, KEY, now_ms=1)
        records.append_message(tx, entry.session_id, said("a", "old"))
        records.set_fields(tx, KEY, {"thinking_level": "low", "compaction_count": 3}, now_ms=2)
        touched = Touch(
            model_provider="p", model="m", context_tokens=9, input_tokens=5, system_sent=True
        )
        records.touch(tx, KEY, touched, now_ms=3)
        return entry

    old = await database.write(prepare)
    new = await database.write(lambda tx: records.renew(tx, KEY, now_ms=4))
    assert new.session_id != old.session_id
    assert (new.thinking_level, new.model, new.context_tokens) == ("low", "m", 9)
    assert (new.model_provider, new.system_sent, new.compaction_count) == (None, False, 0)
    assert (new.input_tokens, new.output_tokens, new.total_tokens) == (0, 0, 0)
    ended = await database.read(
        lambda tx: tx.one("SELECT * FROM transcripts WHERE session_id = ?", (old.session_id,))
    )
    assert ended is not None
    assert (ended["ended_by"], ended["ended_at_ms"]) == ("reset", 4)
    # A run that began before the reset still finishes, in the transcript it began with.
    assert (
        await database.write(
            lambda tx: records.append_message(tx, old.session_id, said("b", "late"))
        )
        == 2
    )


async def test_renewing_what_is_not_there_makes_it(database: Database):
    made = await database.write(lambda tx: records.renew(tx, KEY, now_ms=4))
    assert made == await found(database)


async def test_remove_keeps_the_transcript(database: Database):
    entry = await database.write(lambda tx: records.ensure(tx, KEY, now_ms=1))
    assert await database.write(lambda tx: records.remove(tx, KEY, now_ms=2)) == entry
    assert await database.write(lambda tx: records.remove(tx, KEY, now_ms=3)) is None
    ended = await database.read(lambda tx: tx.one("SELECT ended_by FROM transcripts"))
    assert ended is not None
    assert ended["ended_by"] == "delete"


async def test_count_is_of_one_agent_or_all(database: Database):
    for key in ("agent:main:a", "agent:main:b", "agent:work:a"):
        await database.write(lambda tx, key=key: records.ensure(tx, SessionKey(key), now_ms=1))
    assert await database.read(records.count) == 3
    assert await database.read(lambda tx: records.count(tx, "work")) == 1
