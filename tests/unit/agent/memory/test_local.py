"""The embedder on this machine: started at need, let go when idle, slow to come back."""

from __future__ import annotations

import asyncio

import pytest

from carapace.agent.memory.local import IDLE_UNLOAD_S, LocalEmbedder
from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind
from support.clock import FakeClock
from support.embed_worker import command
from support.polling import until

pytestmark = pytest.mark.slow


@pytest.fixture
async def make():
    made: list[LocalEmbedder] = []

    def build(how="works", clock=None, **options):
        one = LocalEmbedder(clock or FakeClock(), command=command(how), **options)
        made.append(one)
        return one

    yield build
    for one in made:
        await one.close()


async def kind_of(embedder, text="crash"):
    with pytest.raises(EmbedderTrouble) as caught:
        await embedder.embed([text])
    return caught.value


async def test_nothing_runs_before_the_first_text_and_after_close(make):
    embedder = make()
    assert embedder.pid is None
    vectors = await embedder.embed(["green tea", "blue car"])
    assert [len(one) for one in vectors] == [embedder.dims * 2] * 2
    assert embedder.pid is not None
    hits = await embedder.nearest("car", b"".join(vectors), limit=1)
    assert [hit.position for hit in hits] == [1]
    await embedder.close()
    assert embedder.pid is None
    assert len(await embedder.embed(["again"])) == 1


async def test_its_memory_is_given_back_when_idle(make):
    clock = FakeClock()
    embedder = make(clock=clock)
    await embedder.embed(["a"])
    await clock.advance(IDLE_UNLOAD_S / 2)
    await embedder.embed(["a"])
    await clock.advance(IDLE_UNLOAD_S / 2 + 20)
    assert embedder.pid is not None
    await clock.advance(IDLE_UNLOAD_S)
    await until(lambda: embedder.pid is None)


async def test_crashes_in_a_row_make_it_rest(make):
    clock = FakeClock()
    embedder = make(clock=clock)
    first = await kind_of(embedder)
    assert (first.kind, first.retry_after_s) == (TroubleKind.DIED, 0.0)
    assert (await kind_of(embedder)).retry_after_s == 2.0
    resting = await kind_of(embedder, "fine")
    assert (resting.kind, resting.retry_after_s) == (TroubleKind.WAITING, 2.0)
    await clock.advance(2.0)
    assert len(await embedder.embed(["fine"])) == 1
    assert (await kind_of(embedder)).retry_after_s == 0.0


async def test_a_missing_extra_is_told_as_such(make):
    assert (await kind_of(make("missing"))).kind is TroubleKind.MISSING


async def test_closing_does_not_wait_for_an_answer(make):
    embedder = make()
    await embedder.embed(["a"])
    asking = asyncio.ensure_future(embedder.embed(["hang"]))
    await until(embedder._lock.locked)
    async with asyncio.timeout(10):
        await embedder.close()
        with pytest.raises(EmbedderTrouble):
            await asking


async def test_a_caller_that_gives_up_leaves_the_child_in_order(make):
    embedder = make()
    await embedder.embed(["a"])
    pid = embedder.pid
    asking = asyncio.ensure_future(embedder.embed(["b"]))
    while not embedder._lock.locked():  # noqa: ASYNC110 - a lock has no event
        await asyncio.sleep(0)  # the answer comes sooner than a poll would
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(await embedder.embed(["c", "d"])) == 2
    assert embedder.pid == pid
