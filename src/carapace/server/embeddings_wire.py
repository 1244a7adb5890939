"""The shapes of `/v1/embeddings`: texts in, vectors out. Pure.

Source: https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from carapace.agent.providers.ports import Embedded
from carapace.errors import Refused
from carapace.value import Value

__all__ = ["MAX_TEXTS", "EmbeddingsRequest", "decode_request", "embeddings_body"]

MAX_TEXTS: Final = 2_048
_MAX_DIMENSIONS: Final = 16_384
_FORMATS: Final = (None, "float", "base64")


class EmbeddingsRequest(Value, frozen=True):
    """What a program asks for.

    Attributes:
        model: As it wrote it.
        texts: At least one, none of them blank.
        dimensions: None is the model's own number.
        is_base64: Vectors as the base64 text of little-endian 32-bit floats.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None
    is_base64: bool


def decode_request(body: bytes) -> EmbeddingsRequest:
    """The request; fields that mean nothing here (`user`) are ignored.

    Raises:
        Refused: If it makes no sense.
    """
    try:
        given: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Refused("the body must be a JSON object")
    table = cast("dict[str, Any]", given)
    model = table.get("model")
    if not isinstance(model, str) or not model.strip():
        raise Refused("model: the name of a model is needed")
    form: object = table.get("encoding_format")
    if form not in _FORMATS:
        raise Refused("encoding_format: use float or base64")
    return EmbeddingsRequest(
        model, _texts(table.get("input")), _dimensions(table.get("dimensions")), form == "base64"
    )


def _texts(given: object) -> tuple[str, ...]:
    rows = cast("list[object]", given) if isinstance(given, list) else [given]
    if not 0 < len(rows) <= MAX_TEXTS:
        raise Refused(f"input: send 1 to {MAX_TEXTS} texts with one request")
    texts = tuple(row for row in rows if isinstance(row, str) and row.strip())
    if len(texts) != len(rows):
        raise Refused(
            "input: a text or a list of texts is needed, none of them blank; numbers of "
            "tokens are not understood"
        )
    return texts


def _dimensions(given: object) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= _MAX_DIMENSIONS:
        raise Refused(f"dimensions: a whole number from 1 to {_MAX_DIMENSIONS} is needed")
    return given


def embeddings_body(made: Embedded, *, is_base64: bool) -> dict[str, object]:
    """The body of an answer."""
    rows = [
        {"object": "embedding", "index": at, "embedding": _packed(one) if is_base64 else one}
        for at, one in enumerate(made.vectors)
    ]
    usage = {"prompt_tokens": made.tokens, "total_tokens": made.tokens}
    return {"object": "list", "data": rows, "model": made.model, "usage": usage}


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
