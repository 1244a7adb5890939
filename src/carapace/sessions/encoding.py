"""Messages as the bytes that are stored, whatever text they hold.

A model's answer comes in pieces, and a piece may end between the two halves of an emoji; the
halves then arrive as lone surrogates, which no UTF-8 can hold. An answer must not be lost
for that: halves that meet again are joined, the others become a replacement character.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from carapace.sessions.types import StoredMessage

__all__ = ["encoded", "mended"]


def encoded(message: StoredMessage) -> tuple[StoredMessage, bytes]:
    """The message with valid text, and its stored form."""
    try:
        return message, message.encode()
    except UnicodeEncodeError:
        whole = replace(
            message,
            content=tuple(mended(part) for part in message.content),
            details=mended(message.details),
            error_message=mended(message.error_message),
        )
        return whole, whole.encode()


def mended(value: Any) -> Any:
    """A JSON-ready value with every text in it valid."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        fields = cast("dict[Any, Any]", value)
        return {mended(name): mended(one) for name, one in fields.items()}
    if isinstance(value, (list, tuple)):
        return [mended(one) for one in cast("list[Any]", value)]
    return value
