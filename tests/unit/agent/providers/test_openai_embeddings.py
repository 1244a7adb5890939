"""Vectors of a vendor: asked for in a form that every server knows, and read strictly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from carapace.agent.providers.openai_embeddings import embeddings_body, read_embeddings, whole
from carapace.agent.providers.ports import EmbedRequest, ProviderError, ProviderFault

ASKED = EmbedRequest("e", ("a", "b"))


def answer(*rows: tuple[int, list[float]], **more: object) -> bytes:
    data = [{"index": at, "embedding": numbers} for at, numbers in rows]
    return msgspec.json.encode({"data": data, **more})


def test_the_length_is_asked_for_only_where_it_was_wished() -> None:
    assert embeddings_body(ASKED) == {
        "model": "e",
        "input": ["a", "b"],
        "encoding_format": "float",
    }
    assert embeddings_body(EmbedRequest("e", ("a",), 2))["dimensions"] == 2


def test_vectors_come_back_in_the_order_of_the_texts() -> None:
    data = answer((1, [0, 1]), (0, [1, 0.5]), model="e-1", usage={"prompt_tokens": 9})
    made = read_embeddings(data, ASKED)
    assert made.vectors == ((1.0, 0.5), (0.0, 1.0))
    assert (made.model, made.tokens) == ("e-1", 9)
    plain = read_embeddings(answer((0, [1]), (1, [1])), ASKED)
    assert (plain.model, plain.tokens) == ("e", 0)


@pytest.mark.parametrize(
    "data",
    [
        b"oops",
        b"{}",
        answer((0, [1])),
        answer((0, [1]), (0, [1])),
        answer((0, [1]), (1, [1, 2])),
        answer((0, []), (1, [])),
    ],
)
def test_anything_but_one_vector_for_each_text_is_broken(data: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        read_embeddings(data, ASKED)
    assert caught.value.fault is ProviderFault.BROKEN


def test_another_length_than_wished_is_broken() -> None:
    with pytest.raises(ProviderError, match="3"):
        read_embeddings(answer((0, [1, 2, 3])), EmbedRequest("e", ("a",), 2))


async def test_an_endless_answer_has_an_end() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10

    with pytest.raises(ProviderError, match="longer than 25"):
        await whole(pieces(), max_bytes=25)
