"""SQL of the vectors."""

from __future__ import annotations

import pytest

from carapace.agent.memory import records
from carapace.agent.tools import memory_records as memories
from support.database import memory_database

VECTOR = bytes(range(8))


def remember(tx, name, text="t", agent="main", now_ms=1):
    memories.write(tx, agent, name=name, text=text, run_id="r", now_ms=now_ms)


def put(tx, memory, vector: bytes | None = VECTOR):
    return records.put(tx, memory, model="m", dims=4, vector=vector)


@pytest.fixture
async def database():
    async with memory_database() as opened:
        yield opened


async def test_a_memory_is_pending_until_its_vector_is_kept_and_again_when_it_changes(database):
    def work(tx):
        remember(tx, "old", now_ms=1)
        remember(tx, "new", now_ms=2)
        todo = records.pending(tx, "m", 10)
        assert [one.name for one in todo] == ["new", "old"]
        assert records.pending(tx, "m", 1) == todo[:1]
        assert all(put(tx, one) for one in todo)
        assert records.pending(tx, "m", 10) == []
        assert len(records.pending(tx, "another", 10)) == 2
        remember(tx, "old", "changed", now_ms=3)
        assert [one.text for one in records.pending(tx, "m", 10)] == ["changed"]

    await database.write(work)


async def test_a_vector_of_a_text_that_is_gone_is_not_kept(database):
    def work(tx):
        remember(tx, "a")
        (todo,) = records.pending(tx, "m", 10)
        remember(tx, "a", "changed")
        assert not put(tx, todo)
        memories.delete(tx, "main", "a")
        assert not put(tx, todo)

    await database.write(work)


async def test_candidates_are_one_agents_only_newest_first_and_bounded(database):
    def work(tx):
        remember(tx, "a", now_ms=1)
        remember(tx, "b", now_ms=2)
        remember(tx, "x", agent="other")
        remember(tx, "refused", now_ms=3)
        for one in records.pending(tx, "m", 10):
            put(tx, one, None if one.name == "refused" else VECTOR)
        found = records.candidates(tx, "main", "m")
        assert found == records.Candidates(("b", "a"), VECTOR * 2)
        assert records.candidates(tx, "main", "m", 1).names == ("b",)
        assert records.candidates(tx, "main", "another").names == ()
        memories.delete(tx, "main", "b")
        assert records.candidates(tx, "main", "m").names == ("a",)

    await database.write(work)
