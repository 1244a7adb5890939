"""The embeddings format of OpenAI: a request's body, and its answer read strictly.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from carapace.agent.providers.ports import Embedded, EmbedRequest
from carapace.agent.providers.streaming import broken

__all__ = ["MAX_ANSWER_BYTES", "embeddings_body", "read_embeddings", "whole"]

MAX_ANSWER_BYTES: Final = 128 * 1024 * 1024
"""2,048 vectors of 3,072 numbers, written out in about 20 characters each."""


class _Row(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Answer(msgspec.Struct):
    data: list[_Row]
    model: str | None = None
    usage: _Usage | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def embeddings_body(request: EmbedRequest) -> dict[str, Any]:
    """The JSON body of a request; numbers come written out, which every server can."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": list(request.texts),
        "encoding_format": "float",
    }
    return body if request.dimensions is None else {**body, "dimensions": request.dimensions}


async def whole(pieces: AsyncIterator[bytes], *, max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """The whole answer.

    Raises:
        ProviderError: If it is longer than any proper one.
    """
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > max_bytes:
            raise broken(f"it is longer than {max_bytes} bytes")
    return bytes(data)


def read_embeddings(data: bytes, request: EmbedRequest) -> Embedded:
    """The vectors, in the order of the texts.

    Raises:
        ProviderError: If there is not one vector of the same, right length for each text.
    """
    try:
        answer = _ANSWER.decode(data)
    except msgspec.DecodeError as error:
        raise broken(f"it holds no vectors ({error})") from error
    rows = sorted(answer.data, key=lambda row: row.index)
    if [row.index for row in rows] != list(range(len(request.texts))):
        raise broken("it does not hold one vector for each text")
    lengths = {len(row.embedding) for row in rows}
    if len(lengths) != 1 or lengths == {0} or request.dimensions not in {None, *lengths}:
        raise broken(f"its vectors have {sorted(lengths)} numbers")
    return Embedded(
        model=answer.model or request.model,
        vectors=tuple(row.embedding for row in rows),
        tokens=answer.usage.prompt_tokens if answer.usage is not None else 0,
    )
