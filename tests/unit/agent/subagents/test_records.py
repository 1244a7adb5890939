"""The registry of sub-agents."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from carapace.agent.subagents import records
from carapace.agent.subagents.records import SubagentRow
from carapace.channels.types import Target
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import OWNER
from carapace.sessions import records as session_records
from carapace.store.sqlite import SqliteDatabase
from support.database import memory_database

ROW = SubagentRow(
    run_id=RunId("r1"),
    parent_key=SessionKey("agent:main:main"),
    parent_run_id=RunId("p1"),
    shown_key="main",
    child_key=SessionKey("agent:main:subagent:x"),
    parent_agent_id=AgentId("main"),
    label="Counter",
    task="count",
    cleanup="delete",
    target=Target(channel="matrix", account="default", conversation="!r", thread_id="t"),
    provenance=OWNER,
    created_at_ms=5,
)


@pytest.fixture(name="database")
async def _database() -> AsyncGenerator[SqliteDatabase]:
    async with memory_database() as database:
        yield database


async def owed(database: SqliteDatabase) -> list[SubagentRow]:
    return await database.read(records.owed)


async def test_a_row_comes_back_as_it_was(database: SqliteDatabase):
    second = replace(ROW, run_id=RunId("r0"), target=None, label=None, created_at_ms=6)
    await database.write(lambda tx: (records.insert(tx, second), records.insert(tx, ROW)))
    assert await owed(database) == [ROW, second]


async def test_attempts_are_counted_on_disk(database: SqliteDatabase):
    await database.write(lambda tx: records.insert(tx, ROW))
    counted = await database.write(lambda tx: records.try_again(tx, ROW))
    assert counted.attempts == 1
    assert await owed(database) == [counted]


async def test_what_was_told_is_owed_no_more_and_forgotten_in_time(database: SqliteDatabase):
    await database.write(lambda tx: records.insert(tx, ROW))
    await database.write(lambda tx: records.announced(tx, ROW.run_id, now_ms=10))
    assert await owed(database) == []
    assert await database.write(lambda tx: records.prune(tx, 10)) == 0
    assert await database.write(lambda tx: records.prune(tx, 11)) == 1


async def test_one_that_never_began_leaves_nothing(database: SqliteDatabase):
    await database.write(lambda tx: records.insert(tx, ROW))
    await database.write(lambda tx: records.remove(tx, ROW.run_id))
    assert await owed(database) == []


async def test_a_session_is_due_once_it_was_told_and_was_last_spoken_in(database: SqliteDatabase):
    async def due(before_ms: int) -> list[SessionKey]:
        return await database.read(lambda tx: records.due(tx, before_ms, limit=10))

    await database.write(lambda tx: records.insert(tx, ROW))
    await database.write(lambda tx: session_records.ensure(tx, ROW.child_key, now_ms=20))
    assert await due(1_000) == []
    await database.write(lambda tx: records.announced(tx, ROW.run_id, now_ms=10))
    assert (await due(9), await due(19)) == ([], [])
    assert await due(20) == [ROW.child_key]
    assert await database.read(lambda tx: records.due(tx, 20, limit=0)) == []
    await database.write(lambda tx: session_records.remove(tx, ROW.child_key, now_ms=21))
    assert await due(1_000) == []
