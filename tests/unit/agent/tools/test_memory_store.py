"""The memory: found by words, bounded, one agent's only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.memory.meanings import Meanings
from carapace.agent.tools.memory_store import MemoryStore, words_of
from carapace.agent.tools.registry import ToolTrouble
from carapace.provenance import Authority, Origin, Provenance
from support.clock import FakeClock
from support.database import memory_database
from support.embedder import WordEmbedder


async def test_entries_are_found_by_any_word_whatever_its_accents():
    async with memory_database() as database:
        store = MemoryStore(database, FakeClock())
        await store.write("main", name="tea", text="Anna likes Grüntee", run_id="r")
        await store.write("main", name="car", text="blue", run_id="r")
        assert [one.name for one in await store.search("main", "grunt", limit=5)] == ["tea"]
        assert [one.name for one in await store.search("main", "", limit=5)] == ["car", "tea"]
        assert await store.search("main", "nothing", limit=5) == []
        await store.write("main", name="tea", text="coffee now", run_id="r")
        assert await store.search("main", "Anna", limit=5) == []
        assert await store.forget("main", "tea")
        assert not await store.forget("main", "tea")
        assert await store.search("main", "coffee", limit=5) == []


async def test_no_agent_sees_what_another_remembers():
    async with memory_database() as database:
        store = MemoryStore(database, FakeClock())
        await store.write("a", name="n", text="secret", run_id="r")
        assert await store.search("b", "secret", limit=5) == []
        assert await store.read("b", "n") is None
        assert not await store.forget("b", "n")


async def test_a_full_memory_says_so_and_still_takes_changes():
    async with memory_database() as database:
        store = MemoryStore(database, FakeClock(), max_memories=1)
        await store.write("main", name="a", text="1", run_id="r")
        await store.write("main", name="a", text="2", run_id="r")
        with pytest.raises(ToolTrouble, match="limit"):
            await store.write("main", name="b", text="3", run_id="r")
        found = await store.read("main", "a")
        assert found is not None
        assert found.text == "2"


@given(st.text(max_size=80))
def test_no_query_reaches_the_search_syntax(query: str):
    words = words_of(query)
    assert words.count('"') % 2 == 0
    outside = "".join(words.split('"')[::2])
    assert set(outside) <= set("* OR")


def test_only_words_that_say_something_are_prefixes():
    assert words_of("I am Grün 茶") == '"I" OR "am" OR "Grün"* OR "茶"*'


async def test_words_and_meaning_become_one_order():
    async with memory_database() as database:
        clock = FakeClock()
        meanings = Meanings(database, WordEmbedder(), clock)
        store = MemoryStore(database, clock, meanings=meanings)
        try:
            meanings.start()
            await store.write("main", name="tea", text="green tea green leaf", run_id="r")
            await store.write("main", name="car", text="greenish", run_id="r")
            await meanings.caught_up()
            found = [one.name for one in await store.search("main", "green", limit=5)]
            assert found == ["tea", "car"]
            assert len(await store.search("main", "green", limit=1)) == 1
        finally:
            await meanings.close()


async def test_what_is_the_owners_is_neither_changed_nor_forgotten_for_others():
    guest = Provenance(origin=Origin.CHANNEL, authority=Authority.GUEST)
    async with memory_database() as database:
        store = MemoryStore(database, FakeClock())
        await store.write("a", name="n", text="mine", run_id="r")
        with pytest.raises(ToolTrouble, match="the owner's"):
            await store.write("a", name="n", text="theirs", run_id="r", provenance=guest)
        with pytest.raises(ToolTrouble, match="the owner's"):
            await store.forget("a", "n", provenance=guest)
        kept = await store.read("a", "n")
        assert kept is not None
        assert kept.text == "mine"
        await store.write("a", name="other", text="theirs", run_id="r", provenance=guest)
        assert await store.forget("a", "other", provenance=guest)
