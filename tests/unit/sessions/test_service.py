"""`Sessions`: what clients ask, in the shapes and words they know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carapace.errors import Refused
from carapace.protocol.sessions import SessionsList, SessionsPatch, SessionsPreview
from carapace.sessions import records
from carapace.sessions.service import Sessions
from carapace.sessions.types import ModelRef, Role, SessionPolicy, StoredMessage
from carapace.store.sqlite import SqliteDatabase
from support.clock import FakeClock
from support.database import memory_database
from support.transcripts import said

POLICY = SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128000)
PATH = Path("/state/carapace.db")


class House:
    """A service with what it stands on."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = FakeClock()
        self.policy = POLICY
        self.sessions = Sessions(database, self.clock, policy=lambda: self.policy, path=PATH)

    async def say(self, key: str, *texts: str, role: Role = "user") -> str:
        entry = await self.sessions.ensure(key)
        await self.database.write(
            lambda tx: [
                records.append_message(tx, entry.session_id, said(text, text, role))
                for text in texts
            ]
        )
        return entry.session_id

    async def texts(self, key: str) -> list[str]:
        return [one.text for one in await self.sessions.history(key, 1000)]


@pytest.fixture(name="house")
async def _house() -> AsyncGenerator[House]:
    async with memory_database() as database:
        yield House(database)


def wire(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


async def test_keys_follow_the_configuration_as_it_is_now(house: House):
    assert house.sessions.key("Main") == "agent:main:main"
    house.policy = replace(POLICY, agent_id="work", main_key="home", one_for_all=False)
    assert house.sessions.key("home") == "agent:work:home"
    house.policy = replace(POLICY, one_for_all=True)
    assert house.sessions.key("main") == "global"


async def test_get_finds_what_ensure_made(house: House):
    assert await house.sessions.get("main") is None
    made = await house.sessions.ensure("main")
    assert await house.sessions.get("agent:main:MAIN") == made


async def test_an_empty_page_has_the_recorded_shape(house: House):
    assert wire(await house.sessions.page(SessionsList())) == {
        "ts": house.clock.now_ms(),
        "path": "(multiple)",
        "count": 0,
        "defaults": {"modelProvider": "fake", "model": "fake-1", "contextTokens": 128000},
        "sessions": [],
    }


async def test_a_page_counts_its_rows(house: House):
    for key in ("a", "b", "c"):
        await house.sessions.ensure(key)
    assert (await house.sessions.page(SessionsList(limit=2))).count == 2
    total, newest = await house.sessions.recent(1)
    assert (total, len(newest)) == (3, 1)
    assert await house.sessions.recent(5, agent_id="work") == (0, [])


async def test_a_patch_answers_the_whole_entry(house: House):
    session_id = (await house.sessions.ensure("golden")).session_id
    await house.clock.advance(1)
    patch = SessionsPatch(key="golden", label="Golden label", thinking_level="low")
    assert wire(await house.sessions.patch(patch)) == {
        "ok": True,
        "path": str(PATH),
        "key": "agent:main:golden",
        "entry": {
            "sessionId": session_id,
            "updatedAt": house.clock.now_ms(),
            "abortedLastRun": False,
            "label": "Golden label",
            "thinkingLevel": "low",
        },
    }
    model = await house.sessions.patch(SessionsPatch(key="golden", model="fakeant/fake-2"))
    assert (model.entry.provider_override, model.entry.model_override) == ("fakeant", "fake-2")
    cleared = await house.sessions.patch(
        SessionsPatch(key="golden", model=None, label=None, thinking_level=None)
    )
    assert set(wire(cleared)["entry"]) == {"sessionId", "updatedAt", "abortedLastRun"}


async def test_a_patch_makes_the_session_it_names(house: House):
    await house.sessions.patch(SessionsPatch(key="new", verbose_level="on"))
    entry = await house.sessions.get("new")
    assert entry is not None
    assert entry.verbose_level == "on"


async def test_a_refused_patch_changes_nothing(house: House):
    with pytest.raises(Refused, match="invalid thinkingLevel"):
        await house.sessions.patch(SessionsPatch(key="new", label="x", thinking_level="enormous"))
    assert await house.sessions.get("new") is None


async def test_a_label_belongs_to_one_session(house: House):
    await house.sessions.patch(SessionsPatch(key="a", label="L"))
    await house.sessions.patch(SessionsPatch(key="a", label="L"))
    with pytest.raises(Refused, match="label already in use: L"):
        await house.sessions.patch(SessionsPatch(key="b", label="L"))


async def test_which_models_may_be_used_is_decided_elsewhere(house: House):
    def refuse(ref: str) -> ModelRef:
        raise Refused(f"model not allowed: {ref}")

    strict = Sessions(
        house.database, house.clock, policy=lambda: POLICY, path=PATH, resolve_model=refuse
    )
    with pytest.raises(Refused, match="model not allowed: a/b"):
        await strict.patch(SessionsPatch(key="a", model="a/b"))


async def test_reset_gives_an_empty_transcript_under_the_same_settings(house: House):
    old = await house.say("main", "one")
    await house.sessions.patch(SessionsPatch(key="main", thinking_level="low"))
    done = wire(await house.sessions.reset("main"))
    assert done["key"] == "agent:main:main"
    assert done["entry"].pop("sessionId") != old
    assert done == {
        "ok": True,
        "key": "agent:main:main",
        "entry": {
            "updatedAt": house.clock.now_ms(),
            "systemSent": False,
            "abortedLastRun": False,
            "thinkingLevel": "low",
            "inputTokens": 0,
            "outputTokens": 0,
            "totalTokens": 0,
        },
    }
    assert await house.texts("main") == []


async def test_delete_says_what_it_did(house: House):
    session_id = await house.say("x", "one")
    await house.sessions.ensure("y")
    gone = await house.sessions.delete("x")
    assert gone.deleted
    assert gone.archived == [f"{PATH}#{session_id}.deleted.2026-01-01T00-00-00.000Z"]
    assert (await house.sessions.delete("y")).archived == []  # nothing was ever said
    assert wire(await house.sessions.delete("agent:main:nope")) == {
        "ok": True,
        "key": "agent:main:nope",
        "deleted": False,
        "archived": [],
    }
    await house.say("z", "one")
    assert (await house.sessions.delete("z", delete_transcript=False)).archived == []


async def test_the_main_session_cannot_be_deleted(house: House):
    await house.say("main", "one")
    with pytest.raises(Refused) as caught:
        await house.sessions.delete("agent:main:main")
    assert caught.value.message == "Cannot delete the main session (agent:main:main)."
    assert await house.texts("main") == ["one"]
    with pytest.raises(Refused, match=r"\(global\)"):
        await house.sessions.delete("global")


async def test_truncate_keeps_the_newest(house: House):
    session_id = await house.say("golden", *(f"{number}" for number in range(6)))
    assert wire(await house.sessions.truncate("golden", 4)) == {
        "ok": True,
        "key": "agent:main:golden",
        "compacted": True,
        "archived": f"{PATH}#{session_id}.bak.2026-01-01T00-00-00.000Z",
        "kept": 4,
    }
    assert await house.texts("golden") == ["2", "3", "4", "5"]
    assert wire(await house.sessions.truncate("golden")) == {
        "ok": True,
        "key": "agent:main:golden",
        "compacted": False,
        "kept": 4,
    }


async def test_truncate_of_nothing_says_why(house: House):
    assert (await house.sessions.truncate("agent:main:nope")).reason == "no sessionId"
    await house.sessions.ensure("empty")
    assert (await house.sessions.truncate("empty")).reason == "no transcript"


async def counted(messages: Sequence[StoredMessage]) -> str:
    return f"{len(messages)} messages, the last was {messages[-1].text}"


async def test_compaction_replaces_the_old_by_a_summary_and_keeps_the_originals(house: House):
    await house.say("main", "0", "1", "2", "3")
    done = await house.sessions.compact("main", counted, keep=1)
    assert done is not None
    assert (done.archived, done.kept) == (3, 1)
    assert await house.texts("main") == ["3 messages, the last was 2", "3"]
    entry = await house.sessions.get("main")
    assert entry is not None
    assert (entry.compaction_count, entry.total_tokens) == (1, None)
    kept = await house.database.read(lambda tx: tx.all("SELECT * FROM messages ORDER BY row_id"))
    assert [row["excerpt"] for row in kept][:4] == ["0", "1", "2", "3"]


async def test_a_summary_is_itself_compacted_later(house: House):
    await house.say("main", "0", "1")
    await house.sessions.compact("main", counted, keep=0)
    await house.say("main", "2", "3")
    done = await house.sessions.compact("main", counted, keep=1)
    assert done is not None
    assert await house.texts("main") == ["2 messages, the last was 2", "3"]


async def test_nothing_to_compact_is_none(house: House):
    assert await house.sessions.compact("nope", counted, keep=0) is None
    await house.say("main", "0")
    assert await house.sessions.compact("main", counted, keep=1) is None


@pytest.mark.parametrize("meanwhile", ["reset", "delete", "truncate"])
async def test_a_session_that_changed_meanwhile_is_left_alone(house: House, meanwhile: str):
    await house.say("x", "0", "1", "2")

    async def slow(_: Sequence[StoredMessage]) -> str:
        await {
            "reset": house.sessions.reset,
            "delete": house.sessions.delete,
            "truncate": lambda key: house.sessions.truncate(key, 1),
        }[meanwhile]("x")
        return "too late"

    assert await house.sessions.compact("x", slow, keep=0) is None
    assert "too late" not in await house.texts("x")


async def test_what_is_said_during_a_compaction_stays(house: House):
    await house.say("main", "0", "1")

    async def slow(_: Sequence[StoredMessage]) -> str:
        await house.say("main", "2")
        return "summary"

    assert await house.sessions.compact("main", slow, keep=0) is not None
    assert await house.texts("main") == ["summary", "2"]


async def test_a_history_page_is_as_recorded(house: House):
    assert wire(await house.sessions.history_page("agent:main:no-such")) == {
        "sessionKey": "agent:main:no-such",
        "messages": [],
        "thinkingLevel": "off",
    }
    session_id = await house.say("main", "one", "two\n[message_id: r1]")
    assert wire(await house.sessions.history_page("main", 1)) == {
        "sessionKey": "main",
        "sessionId": session_id,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "two"}], "timestamp": 0}
        ],
        "thinkingLevel": "off",
    }
    await house.sessions.patch(SessionsPatch(key="main", thinking_level="high"))
    assert (await house.sessions.history_page("main")).thinking_level == "high"


async def test_history_of_an_unknown_session_is_empty(house: House):
    assert await house.sessions.history("nope") == []


async def test_previews_answer_every_key_as_it_was_written(house: House):
    await house.say("main", "a" * 100, "b")
    await house.sessions.ensure("empty")
    query = SessionsPreview(keys=["main", "agent:main:nope", "empty"], limit=4, max_chars=20)
    assert wire(await house.sessions.previews(query)) == {
        "ts": house.clock.now_ms(),
        "previews": [
            {
                "key": "main",
                "status": "ok",
                "items": [
                    {"role": "user", "text": "a" * 17 + "..."},
                    {"role": "user", "text": "b"},
                ],
            },
            {"key": "agent:main:nope", "status": "missing", "items": []},
            {"key": "empty", "status": "empty", "items": []},
        ],
    }
    many = await house.sessions.previews(SessionsPreview(keys=["main"] * 70, limit=10**6))
    assert len(many.previews) == 64


async def test_an_injected_message_is_an_assistants_with_its_label(house: House):
    await house.sessions.ensure("main")
    stored = await house.sessions.inject("main", "injected note", " golden ")
    assert len(stored.message_id) == 8
    assert wire(await house.sessions.history_page("main"))["messages"] == [
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "[golden]\n\ninjected note"}],
            "usage": {"input": 0, "output": 0, "totalTokens": 0},
            "stopReason": "injected",
            "timestamp": house.clock.now_ms(),
        }
    ]
    assert (await house.sessions.inject("main", "bare", "  ")).text == "bare"
    with pytest.raises(Refused, match="session not found"):
        await house.sessions.inject("agent:main:no-such", "x")


async def test_many_callers_at_once_make_one_session(house: House):
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(house.sessions.ensure("main")) for _ in range(50)]
    assert len({one.result().session_id for one in made}) == 1
