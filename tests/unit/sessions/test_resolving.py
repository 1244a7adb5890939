"""One session by key, transcript or label, in the words of the recorded refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from carapace.errors import Refused
from carapace.protocol.sessions import SessionsList, SessionsPatch, SessionsResolve
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy
from support.clock import FakeClock
from support.database import memory_database

CHILD = "agent:main:subagent:one"


@pytest.fixture(name="sessions")
async def _sessions() -> AsyncGenerator[Sessions]:
    async with memory_database() as database:
        found = Sessions(database, FakeClock(), policy=SessionPolicy, path=Path("/state/c.db"))
        await found.ensure("main")
        await found.ensure("global")
        await found.ensure(CHILD)
        await found.patch(SessionsPatch(key=CHILD, label="Child", spawned_by="main"))
        yield found


async def key_of(sessions: Sessions, **given: Any) -> str:
    return (await sessions.resolve(SessionsResolve(**given))).key


async def test_a_key_is_answered_in_its_canonical_form(sessions: Sessions):
    assert await key_of(sessions, key=" Main ") == "agent:main:main"


async def test_a_transcript_or_a_label_names_its_session(sessions: Sessions):
    entry = await sessions.get(CHILD)
    assert entry is not None
    assert await key_of(sessions, session_id=entry.session_id) == CHILD
    assert await key_of(sessions, session_id=CHILD) == CHILD
    assert await key_of(sessions, label="Child", spawned_by="main") == CHILD
    assert await key_of(sessions, label="Child", agent_id="MAIN") == CHILD


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Either key, sessionId, or label is required"),
        ({"key": " "}, "Either key, sessionId, or label is required"),
        ({"key": "main", "label": "x"}, "(not multiple)"),
        ({"key": "agent:main:nope"}, "No session found: agent:main:nope"),
        ({"session_id": "nope"}, "No session found: nope"),
        ({"session_id": "global"}, "No session found: global"),
        ({"session_id": CHILD, "agent_id": "other"}, f"No session found: {CHILD}"),
        ({"session_id": CHILD, "spawned_by": "other"}, f"No session found: {CHILD}"),
        ({"label": "Golden"}, "No session found with label: Golden"),
        ({"label": "Child", "agent_id": "other"}, "No session found with label: Child"),
    ],
)
async def test_what_names_no_session_is_refused(
    sessions: Sessions, given: dict[str, str], text: str
):
    with pytest.raises(Refused) as refused:
        await key_of(sessions, **given)
    assert text in refused.value.message


async def test_the_shared_session_is_found_where_it_is_asked_for(sessions: Sessions):
    assert await key_of(sessions, session_id="global", include_global=True) == "global"


@pytest.mark.parametrize("parent", ["main", "agent:main:main", "MAIN"])
async def test_children_are_listed_by_any_name_of_their_parent(sessions: Sessions, parent: str):
    page = await sessions.page(SessionsList(spawned_by=parent))
    assert [row.key for row in page.sessions] == [CHILD]
