"""Putting secrets into a request, each at the place that the plugin named. Pure.

What comes out is the only thing that holds their values: it does not show itself, and no error
of this file repeats anything of it. A place that is taken already is an error rather than a
second value, since two readers might then see two different requests.

Sources: RFC 3986 section 3.3 (paths), RFC 6901 (JSON pointers), RFC 9110 section 5.5 (fields).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never, cast
from urllib.parse import parse_qsl, quote

from carapace.config.secret import Secret
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.outbound.wire import (
    MAX_REQUEST_BYTES,
    Base64,
    Body,
    Empty,
    FormPlace,
    Header,
    HeaderPlace,
    JsonPlace,
    Media,
    PathPlace,
    Place,
    QueryPlace,
    SecretUse,
    Text,
)
from carapace.plugins.errors import GuestError

__all__ = ["PlacedRequest", "place"]

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
"""Letters beyond ASCII have no agreed meaning in a field (RFC 9110 section 5.5)."""
_PLACEHOLDER: Final = re.compile(r"[{}A-Za-z0-9_-]{2,64}")
_PATH_SAFE: Final = ":@!$&'()*+,="
"""What a path segment may hold as it is, without `;`, which some servers read as the start of
parameters."""
_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that frame a message; who sets them decides where it ends and to whom it goes."""
_OURS_BEGIN: Final = ("proxy-", "sec-websocket-")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRequest:
    """A request with its secrets in it: send it, and show it to nobody.

    Attributes:
        method: In capitals.
        url: With its secrets.
        headers: Names and values in order.
        content: The body, or None.
        media: Handle of the file that is the body, or None.
        has_secrets: Whether any secret is in it.
        only_headers: Whether all of them are in headers, which a redirect to elsewhere drops.
    """

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    content: bytes | None = field(repr=False)
    media: str | None
    has_secrets: bool
    only_headers: bool


def place(
    method: str,
    url: str,
    headers: Sequence[Header],
    *,
    body: Body,
    secrets: Sequence[SecretUse],
    reveal: Callable[[str], Secret],
) -> PlacedRequest:
    """The request with its secrets in their places.

    Args:
        method: In capitals.
        url: As the plugin wrote it, with placeholders in its path.
        headers: Of the plugin.
        body: Of the plugin.
        secrets: Which go where.
        reveal: The secret of a handle; raises `GuestError` if the plugin may not use it.

    Raises:
        GuestError: If a header, a place or the body makes no sense. Says nothing of a value.
    """
    draft = _Draft(url, headers, body)
    for use in secrets:
        draft.put(use.place, _filled(use, reveal(use.name)))
    content, media = draft.content()
    return PlacedRequest(
        method=method,
        url=draft.url,
        headers=tuple(draft.headers),
        content=content,
        media=media,
        has_secrets=bool(secrets),
        only_headers=all(isinstance(use.place, HeaderPlace) for use in secrets),
    )


class _Draft:
    """A request that is being filled in."""

    def __init__(self, url: str, headers: Sequence[Header], body: Body) -> None:
        self.url = url.partition("#")[0]
        self.headers = [_checked(header) for header in headers]
        self._body = body
        self._form: list[str] | None = None
        self._document: Any = None
        self._has_document = False

    def put(self, where: Place, value: str) -> None:
        """Put a filled-in value into its place."""
        match where:
            case HeaderPlace(value=name):
                self._put_header(name, value)
            case PathPlace(value=placeholder):
                self._put_path(placeholder, value)
            case QueryPlace(value=name):
                self._put_query(name, value)
            case FormPlace(value=name):
                self._put_form(name, value)
            case JsonPlace(value=pointer):
                self._put_json(pointer, value)
            case _:  # pragma: no cover - the type checker proves it
                assert_never(where)

    def content(self) -> tuple[bytes | None, str | None]:
        """The body's bytes, or the handle of the file that it is."""
        if self._form is not None:
            self._type(_FORM)
            return "&".join(part for part in self._form if part).encode(), None
        if self._has_document:
            self._type(_JSON)
            return json.dumps(self._document, ensure_ascii=False).encode(), None
        match self._body:
            case Empty():
                return None, None
            case Text(value=text):
                return _sized(text.encode()), None
            case Base64(value=text):
                return _sized(_decoded(text)), None
            case Media(value=handle):
                return None, handle
            case _:  # pragma: no cover - the type checker proves it
                assert_never(self._body)

    def _put_header(self, name: str, value: str) -> None:
        if any(name.lower() == there.lower() for there, _ in self.headers):
            raise _wrong(f"the header {name!r} is there already")
        if not _VALUE.fullmatch(value):
            raise _wrong(f"the secret for the header {name!r} holds what no header may hold")
        self.headers.append(_checked(Header(name, value)))

    def _put_path(self, placeholder: str, value: str) -> None:
        if not _PLACEHOLDER.fullmatch(placeholder):
            raise _wrong("a placeholder is 2 to 64 letters, digits, _, - or braces: {token}")
        scheme, slashes, rest = self.url.partition("://")
        authority, slash, tail = rest.partition("/")
        path, mark, query = tail.partition("?")
        if "?" in authority or path.count(placeholder) != 1:
            raise _wrong(f"the URL's path does not hold {placeholder!r} exactly once")
        filled = path.replace(placeholder, quote(value, safe=_PATH_SAFE))
        self.url = scheme + slashes + authority + slash + filled + mark + query

    def _put_query(self, name: str, value: str) -> None:
        before, mark, query = self.url.partition("?")
        if _has_field(query, name):
            raise _wrong(f"the query has {name!r} already")
        joint = "&" if mark and query else ""
        self.url = f"{before}?{query}{joint}{_pair(name, value)}"

    def _put_form(self, name: str, value: str) -> None:
        if self._form is None:
            if self._has_document or not isinstance(self._body, Text | Empty):
                raise _wrong("a secret in a form needs a body that is text, or none")
            self._form = [self._body.value] if isinstance(self._body, Text) else []
        if any(_has_field(part, name) for part in self._form):
            raise _wrong(f"the form has {name!r} already")
        self._form.append(_pair(name, value))

    def _put_json(self, pointer: str, value: str) -> None:
        if not self._has_document:
            if self._form is not None or not isinstance(self._body, Text):
                raise _wrong("a secret in a JSON body needs a body that is text")
            self._document = _read_json(self._body.value)
            self._has_document = True
        _set(self._document, pointer, value)

    def _type(self, wanted: str) -> None:
        """The body was written here, so its type is known; another claim would be a lie."""
        for name, value in self.headers:
            if name.lower() == "content-type":
                if value.partition(";")[0].strip().lower() != wanted:
                    raise _wrong(f"the body is {wanted}, but the content-type says otherwise")
                return
        self.headers.append(("Content-Type", wanted))


def _filled(use: SecretUse, secret: Secret) -> str:
    if use.template is None:
        return secret.reveal()
    if use.template.count("{}") != 1:
        raise _wrong(f"the template for {use.name!r} does not hold {{}} exactly once")
    before, _, after = use.template.partition("{}")
    return before + secret.reveal() + after


def _checked(header: Header) -> tuple[str, str]:
    name = header.name.lower()
    if not _NAME.fullmatch(header.name) or not _VALUE.fullmatch(header.value):
        raise _wrong("a header's name or value holds a character that is not allowed there")
    if name in _OURS or name.startswith(_OURS_BEGIN):
        raise _wrong(f"the header {name!r} is the gateway's to set")
    return header.name, header.value


def _pair(name: str, value: str) -> str:
    return f"{quote(name, safe='')}={quote(value, safe='')}"


def _has_field(text: str, name: str) -> bool:
    return any(key == name for key, _ in parse_qsl(text, keep_blank_values=True))


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("the body is not JSON, so no secret can be put into it") from None


def _set(document: Any, pointer: str, value: str) -> None:
    """Set a field of an object, or an element that a list has (RFC 6901 section 4)."""
    if not pointer.startswith("/"):
        raise _wrong("a JSON pointer begins with a slash: /auth/token")
    tokens = [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
    for token in tokens[:-1]:
        document = _child(document, token)
    last = tokens[-1]
    if isinstance(document, dict):
        cast("dict[str, Any]", document)[last] = value
    elif isinstance(document, list):
        elements = cast("list[Any]", document)
        elements[_index(elements, last)] = value
    else:
        raise _wrong(f"the body has no field at {pointer!r}")


def _child(document: Any, token: str) -> Any:
    if isinstance(document, dict) and token in document:
        return cast("dict[str, Any]", document)[token]
    if isinstance(document, list):
        elements = cast("list[Any]", document)
        return elements[_index(elements, token)]
    raise _wrong("the JSON pointer leads through a field that is not in the body")


def _index(elements: list[Any], token: str) -> int:
    is_number = token.isascii() and token.isdigit() and len(token) < 7  # noqa: PLR2004 - digits
    if not is_number or int(token) >= len(elements):
        raise _wrong("the JSON pointer names an element that is not in the list")
    return int(token)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("the body is not valid base64 (RFC 4648 section 4)") from None


def _sized(content: bytes) -> bytes:
    if len(content) > MAX_REQUEST_BYTES:
        raise guest_error(
            Code.TOO_LARGE,
            f"the body is longer than {MAX_REQUEST_BYTES} bytes: send it as a media handle",
        )
    return content


def _wrong(message: str) -> GuestError:
    return guest_error(Code.INVALID_ARGUMENT, message)
