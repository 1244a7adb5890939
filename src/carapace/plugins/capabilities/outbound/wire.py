"""Records and variants of the contract that requests share, as they travel; see `wit/`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "MAX_REQUEST_BYTES",
    "Base64",
    "Body",
    "Empty",
    "FormPlace",
    "Header",
    "HeaderPlace",
    "JsonPlace",
    "Media",
    "PathPlace",
    "Place",
    "QueryPlace",
    "Request",
    "Response",
    "SecretUse",
    "Text",
    "Want",
]

MAX_REQUEST_BYTES = 8 * 1024 * 1024
"""Cap of a body that comes from a plugin's memory."""

_MAX_CHARS = (MAX_REQUEST_BYTES * 4) // 3 + 4

Want = Literal["text", "base64", "media", "nothing"]
_Short = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One header; its value is checked where the request is built."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    value: Annotated[str, msgspec.Meta(max_length=16_384)]


class Empty(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="empty"):
    """No body."""

    value: None = None


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="text"):
    """UTF-8."""

    value: Annotated[str, msgspec.Meta(max_length=MAX_REQUEST_BYTES)]


class Base64(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="base64"
):
    """Bytes (RFC 4648 section 4)."""

    value: Annotated[str, msgspec.Meta(max_length=_MAX_CHARS)]


class Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="media"):
    """A handle of the media store."""

    value: _Short


Body = Empty | Text | Base64 | Media


class HeaderPlace(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="header"
):
    """Header of this name."""

    value: _Short


class PathPlace(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="path"
):
    """This placeholder in the URL's path."""

    value: _Short


class QueryPlace(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="query"
):
    """Query parameter of this name."""

    value: _Short


class FormPlace(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="form"
):
    """Form field of this name."""

    value: _Short


class JsonPlace(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tag", tag="json"
):
    """Field of a JSON body, as a JSON pointer (RFC 6901)."""

    value: _Short


Place = HeaderPlace | PathPlace | QueryPlace | FormPlace | JsonPlace


class SecretUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret and where it goes.

    Attributes:
        name: Its handle.
        place: Where.
        template: Text around it, in which `{}` stands for it.
    """

    name: _Short
    place: Place
    template: Annotated[str, msgspec.Meta(max_length=256)] | None


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request as a plugin asks for it."""

    method: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{1,16}\Z")]
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    headers: Annotated[tuple[Header, ...], msgspec.Meta(max_length=64)]
    body: Body
    secrets: Annotated[tuple[SecretUse, ...], msgspec.Meta(max_length=16)]
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    want: Want


class Response(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came back, without the plugin's secrets."""

    status: Annotated[int, msgspec.Meta(ge=100, le=999)]
    headers: tuple[Header, ...]
    body: Body
