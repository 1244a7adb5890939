"""`sessions.list`: filters, order, texts, and speed by index."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from carapace.ids import SessionKey
from carapace.protocol.sessions import DeliveryContext, SessionOrigin, SessionRow, SessionsList
from carapace.sessions import listing, records, transcripts
from carapace.sessions.types import ModelRef, Route, SessionPolicy, Touch
from carapace.store.ports import Database, Tx
from support.database import memory_database
from support.transcripts import said

POLICY = SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128000)
NOW_MS = 10_000_000


@pytest.fixture(name="database")
async def _database() -> AsyncGenerator[Database]:
    async with memory_database() as database:
        yield database


async def make(database: Database, *keys: str) -> None:
    """Sessions a second apart, the first the oldest."""

    def make_all(tx: Tx) -> None:
        for age, key in enumerate(reversed(keys)):
            records.ensure(tx, SessionKey(key), now_ms=NOW_MS - age * 1000)

    await database.write(make_all)


async def rows(
    database: Database, policy: SessionPolicy = POLICY, **query: Any
) -> list[SessionRow]:
    asked = SessionsList(**query)
    return await database.read(lambda tx: listing.list_rows(tx, asked, policy, now_ms=NOW_MS))


async def keys(database: Database, **query: Any) -> list[str]:
    return [row.key for row in await rows(database, **query)]


async def test_newest_first_and_limited(database: Database):
    await make(database, "agent:main:a", "agent:main:b", "agent:main:c")
    assert await keys(database) == ["agent:main:c", "agent:main:b", "agent:main:a"]
    assert await keys(database, limit=1) == ["agent:main:c"]


@pytest.mark.slow
async def test_who_sets_no_limit_gets_the_newest_thousand_and_nobody_more_than_two(
    database: Database,
):
    await make(database, *(f"agent:main:s{number}" for number in range(2_001)))
    assert len(await keys(database)) == 1_000
    assert len(await keys(database, limit=1_500)) == 1_500
    assert len(await keys(database, limit=9_999)) == 2_000


async def test_global_and_unknown_show_only_when_asked_for(database: Database):
    await make(database, "global", "unknown", "agent:main:a")
    assert await keys(database) == ["agent:main:a"]
    assert await keys(database, include_global=True) == ["agent:main:a", "global"]
    both = await keys(database, include_global=True, include_unknown=True)
    assert both == ["agent:main:a", "unknown", "global"]
    assert await keys(database, include_global=True, agent_id="main") == ["agent:main:a"]


async def test_filters(database: Database):
    await make(database, "agent:work:a", "agent:main:subagent:1", "agent:main:b")

    def describe(tx: Tx) -> None:
        records.set_fields(
            tx, SessionKey("agent:main:subagent:1"), {"spawned_by": "agent:main:b"}, now_ms=NOW_MS
        )
        records.set_fields(
            tx, SessionKey("agent:work:a"), {"label": "Große Reise"}, now_ms=NOW_MS - 120_000
        )

    await database.write(describe)
    assert await keys(database, agent_id=" Work ") == ["agent:work:a"]
    assert await keys(database, spawned_by="agent:main:b") == ["agent:main:subagent:1"]
    assert await keys(database, label="Große Reise") == ["agent:work:a"]
    assert await keys(database, search="GROSSE") == ["agent:work:a"]
    assert await keys(database, search="subagent:1") == ["agent:main:subagent:1"]
    assert await keys(database, search="100%_of nothing") == []
    assert len(await keys(database, search="  ")) == 3
    assert "agent:work:a" not in await keys(database, active_minutes=1)
    assert "agent:work:a" in await keys(database, active_minutes=2)


async def test_a_row_has_the_shape_of_the_recorded_ones(database: Database):
    key = SessionKey("agent:main:main")
    await make(database, key)
    origin = SessionOrigin(
        label="golden", provider="webchat", surface="webchat", chat_type="direct"
    )
    route = Route(
        origin=origin, delivery=DeliveryContext(channel="webchat"), last_channel="webchat"
    )
    touched = Touch(input_tokens=8102, output_tokens=3, total_tokens=8102, system_sent=True)

    def run(tx: Tx) -> None:
        records.set_route(tx, key, route)
        records.set_fields(tx, key, {"thinking_level": "low"}, now_ms=NOW_MS)
        records.touch(tx, key, touched, now_ms=NOW_MS)

    await database.write(run)
    found: dict[str, Any] = msgspec.to_builtins((await rows(database))[0])
    assert found.pop("sessionId")
    assert found == {
        "key": "agent:main:main",
        "kind": "direct",
        "displayName": "golden",
        "chatType": "direct",
        "origin": {
            "label": "golden",
            "provider": "webchat",
            "surface": "webchat",
            "chatType": "direct",
        },
        "updatedAt": NOW_MS,
        "systemSent": True,
        "abortedLastRun": False,
        "thinkingLevel": "low",
        "inputTokens": 8102,
        "outputTokens": 3,
        "totalTokens": 8102,
        "modelProvider": "fake",
        "model": "fake-1",
        "contextTokens": 128000,
        "deliveryContext": {"channel": "webchat"},
        "lastChannel": "webchat",
    }


async def test_titles_and_last_messages_come_from_the_transcript(database: Database):
    await make(database, "agent:main:silent", "agent:main:main")

    def talk(tx: Tx) -> None:
        entry = records.ensure(tx, SessionKey("agent:main:main"), now_ms=0)
        for one in (
            said("a", "hello from voice\n[message_id: a]"),
            said("b", "[golden]\n\ninjected note", "assistant"),
            said("c", "result", "toolResult"),
        ):
            records.append_message(tx, entry.session_id, one)

    await database.write(talk)
    spoken, silent = await rows(database, include_derived_titles=True, include_last_message=True)
    assert spoken.derived_title == "hello from voice"
    assert spoken.last_message_preview == "[golden]\n\ninjected note"
    assert silent.derived_title == f"{silent.session_id[:8]} (1970-01-01)"
    assert silent.last_message_preview is None
    plain = (await rows(database, limit=1))[0]
    assert (plain.derived_title, plain.last_message_preview) == (None, None)
    titled = (await rows(database, limit=1, include_derived_titles=True))[0]
    assert titled.last_message_preview is None
    last = (await rows(database, limit=1, include_last_message=True))[0]
    assert last.derived_title is None


async def test_first_words_are_known_when_archived_and_last_words_are_not(database: Database):
    await make(database, "agent:main:main")

    def talk(tx: Tx) -> str:
        session_id = records.ensure(tx, SessionKey("agent:main:main"), now_ms=0).session_id
        for one in (said("a", "hello", "assistant"), said("b", "first"), said("c", "second")):
            records.append_message(tx, session_id, one)
        return session_id

    session_id = await database.write(talk)
    await database.write(lambda tx: transcripts.archive_through(tx, session_id, 3, now_ms=5))
    (row,) = await rows(database, include_derived_titles=True, include_last_message=True)
    assert (row.derived_title, row.last_message_preview) == ("first", None)


async def test_last_words_are_looked_for_among_the_newest_eight(database: Database):
    await make(database, "agent:main:main")

    def talk(tx: Tx, numbers: range) -> None:
        session_id = records.ensure(tx, SessionKey("agent:main:main"), now_ms=0).session_id
        for number in numbers:
            records.append_message(tx, session_id, said(f"t{number}", "result", "toolResult"))

    def speak(tx: Tx) -> None:
        session_id = records.ensure(tx, SessionKey("agent:main:main"), now_ms=0).session_id
        records.append_message(tx, session_id, said("q", "question"))

    await database.write(speak)
    await database.write(lambda tx: talk(tx, range(7)))
    (row,) = await rows(database, include_last_message=True)
    assert row.last_message_preview == "question"
    await database.write(lambda tx: talk(tx, range(7, 8)))
    (row,) = await rows(database, include_last_message=True)
    assert row.last_message_preview is None


async def test_names_of_groups_and_labels(database: Database):
    group, named, topic = "agent:main:telegram:group:9", "agent:main:x", "agent:main:y"
    await make(database, group, named, topic)

    def describe(tx: Tx) -> None:
        records.set_fields(tx, SessionKey(named), {"label": "Mine"}, now_ms=NOW_MS)
        records.set_route(
            tx, SessionKey(topic), Route(chat_type="group", subject="Trip", display_name="Us")
        )

    await database.write(describe)
    shown = {row.key: (row.display_name, row.kind) for row in await rows(database)}
    assert shown == {
        group: ("telegram:group:9", "group"),
        named: ("Mine", "direct"),
        topic: ("Us", "group"),
    }
    titled = {row.key: row for row in await rows(database, include_derived_titles=True)}
    assert titled[topic].derived_title == "Trip"


async def test_the_model_is_the_override_else_the_default_else_the_last_one(database: Database):
    await make(database, "agent:main:own", "agent:main:plain")

    def describe(tx: Tx) -> None:
        own = {"provider_override": "fakeant", "model_override": "fake-2"}
        records.set_fields(tx, SessionKey("agent:main:own"), own, now_ms=NOW_MS - 1000)
        last = Touch(model_provider="old", model="old-1", context_tokens=5, input_tokens=2)
        records.touch(tx, SessionKey("agent:main:plain"), last, now_ms=NOW_MS)

    await database.write(describe)
    plain, own = await rows(database)
    assert (own.model_provider, own.model) == ("fakeant", "fake-2")
    assert (plain.model_provider, plain.model, plain.context_tokens) == ("fake", "fake-1", 5)
    assert plain.total_tokens == 2
    bare, _ = await rows(database, SessionPolicy())
    assert (bare.model_provider, bare.model) == ("old", "old-1")


async def test_recent_sessions_of_one_agent_or_all(database: Database):
    await make(database, "agent:work:a", "agent:main:b", "agent:main:c")
    every = await database.read(lambda tx: listing.recent(tx, limit=2))
    assert [one.key for one in every] == ["agent:main:c", "agent:main:b"]
    work = await database.read(lambda tx: listing.recent(tx, limit=2, agent_id="work"))
    assert [one.key for one in work] == ["agent:work:a"]


@pytest.mark.parametrize(
    "query", [{}, {"include_global": True}, {"agent_id": "main"}, {"active_minutes": 5}]
)
async def test_a_page_is_read_in_order_from_an_index(database: Database, query: dict[str, Any]):
    """No sorting: the cost of a page does not grow with the number of sessions."""
    asked = SessionsList(limit=50, **query)
    tail, values = listing.selection(asked, NOW_MS)
    sql = f"SELECT {listing.columns_of(asked)} FROM sessions {tail}"  # noqa: S608 - own text
    plan = await database.read(lambda tx: tx.all(f"EXPLAIN QUERY PLAN {sql}", values))
    steps = " / ".join(row["detail"] for row in plan)
    assert "USING INDEX sessions_by_" in steps
    assert "TEMP B-TREE" not in steps
