"""Contents of requests and answers: text, bytes or a file in the gateway's media store."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Body", "Content", "Media", "body_of", "to_wire"]


@dataclass(frozen=True, slots=True)
class Media:
    """A file in the gateway's media store."""

    handle: str


Content = str | bytes | Media | None
"""What a plugin may send."""


@dataclass(frozen=True, slots=True)
class Body:
    """What came, in the form in which it came."""

    content: Content

    @property
    def text(self) -> str:
        """As text; bytes must be UTF-8.

        Raises:
            ValueError: If it is a file, or no UTF-8.
        """
        if isinstance(self.content, Media):
            raise ValueError("The body is a file; ask for text, or use its handle.")  # noqa: TRY004
        if isinstance(self.content, bytes):
            return self.content.decode("utf-8")
        return self.content or ""

    @property
    def bytes(self) -> bytes:
        """As bytes; text in UTF-8.

        Raises:
            ValueError: If it is a file.
        """
        return self.content if isinstance(self.content, bytes) else self.text.encode("utf-8")

    @property
    def media(self) -> Media | None:
        """The file, if it is one."""
        return self.content if isinstance(self.content, Media) else None

    def json(self) -> Any:
        """The value that the body says in JSON.

        Raises:
            ValueError: If it is not JSON.
        """
        return json.loads(self.text)


def to_wire(content: Content) -> dict[str, Any]:
    """As the contract's variant `body`."""
    if content is None:
        return {"tag": "empty", "value": None}
    if isinstance(content, Media):
        return {"tag": "media", "value": content.handle}
    if isinstance(content, bytes):
        return {"tag": "base64", "value": base64.b64encode(content).decode("ascii")}
    return {"tag": "text", "value": content}


def body_of(wire: dict[str, Any]) -> Body:
    """From the contract's variant `body`."""
    tag, value = wire["tag"], wire["value"]
    if tag == "base64":
        return Body(base64.b64decode(value))
    if tag == "media":
        return Body(Media(value))
    return Body(value if tag == "text" else None)
