"""JSON bodies of strangers: bounded in depth before a value is built.

The size is bounded by whoever read the bytes. Depth costs stack in every later reader: a body
that is all brackets is small and still hurts.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from carapace.triggers.webhook_types import BadBody, RawRequest

__all__ = ["MAX_DEPTH", "depth_of", "json_body", "json_object"]

MAX_DEPTH: Final = 64
# A string (RFC 8259, section 7), or one bracket. What is neither does not matter here.
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_DELTA: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def depth_of(body: bytes, limit: int = MAX_DEPTH) -> int:
    """How deep arrays and objects lie in each other; counting stops one above `limit`."""
    depth = deepest = 0
    for found in _TOKENS.finditer(body):
        depth += _DELTA.get(found[0], 0)
        if depth > deepest:
            deepest = depth
            if deepest > limit:
                break
    return deepest


def json_body(raw: RawRequest) -> Any:
    """The body as JSON; an empty one is an empty object, as with the Node gateway.

    Raises:
        BadBody: If it is no JSON, or lies too deep.
    """
    body = raw.body.strip()
    if not body:
        return {}
    if depth_of(body) > MAX_DEPTH:
        raise BadBody(f"the JSON lies more than {MAX_DEPTH} levels deep: send it flatter")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(f"the body is not JSON: {error}") from None


def json_object(raw: RawRequest) -> dict[str, Any]:
    """As `json_body`, for routes that take an object.

    Raises:
        BadBody: If it is something else.
    """
    value = json_body(raw)
    if not isinstance(value, dict):
        raise BadBody("the body must be a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType] - JSON objects have text keys
