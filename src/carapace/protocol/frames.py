"""Frames: what one WebSocket message says (protocol 3, section 2.1).

Decoding never raises: a message is a `Request`, a `BadFrame` (answerable, with the texts
the Node gateway's validator gives) or `NOT_JSON`. Encoding splices an already encoded
payload, so a cached answer costs no second encoding.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carapace.protocol.errors import ErrorShape

__all__ = [
    "NOT_JSON",
    "BadFrame",
    "NotJson",
    "Request",
    "decode_frame",
    "encode_error",
    "encode_event",
    "encode_ok",
    "encode_payload",
    "event_parts",
]

_KNOWN_KEYS: Final = ("type", "id", "method", "params")


class Request(
    msgspec.Struct, tag_field="type", tag="req", forbid_unknown_fields=True, frozen=True, gc=False
):
    """A method call; `params` stays encoded until the method's row says what it is."""

    id: str
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")


class BadFrame(msgspec.Struct, frozen=True):
    """Valid JSON that is no request: answered with `id` and `message`, the socket stays."""

    id: Any
    message: str


class NotJson:
    """Marks a message that is not JSON at all: ignored after the handshake."""

    __slots__ = ()


NOT_JSON: Final = NotJson()
_REQUEST = msgspec.json.Decoder(Request)
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_ENCODE = _ENCODER.encode


def decode_frame(message: str | bytes) -> Request | BadFrame | NotJson:
    """Read one text or binary message."""
    try:
        request = _REQUEST.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _diagnose(message)
    if request.id and request.method:
        return request
    return _diagnose(message)


def _diagnose(message: str | bytes) -> BadFrame | NotJson:
    """Name everything that is wrong, in the order the Node gateway names it."""
    try:
        frame: object = _ANY.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NOT_JSON
    if not isinstance(frame, dict):
        return BadFrame("invalid", "invalid request frame: must be object")
    fields: dict[str, Any] = frame  # pyright: ignore[reportUnknownVariableType] - JSON keys are text
    problems = [
        f"must have required property '{name}'"
        for name in ("type", "id", "method")
        if name not in fields
    ]
    problems += [
        f"at root: unexpected property '{name}'" for name in fields if name not in _KNOWN_KEYS
    ]
    if "type" in fields and fields["type"] != "req":
        problems.append("at /type: must be equal to constant")
    for name in ("id", "method"):
        value = fields.get(name, "-")
        if not isinstance(value, str):
            problems.append(f"at /{name}: must be string")
        elif not value:
            problems.append(f"at /{name}: must NOT have fewer than 1 characters")
    given = fields.get("id")
    answer_id = given if given is not None and given != "" else "invalid"
    return BadFrame(
        answer_id, "invalid request frame: " + "; ".join(problems or ["must be object"])
    )


def encode_payload(payload: Any) -> msgspec.Raw:
    """What `encode_ok` splices; bytes that are encoded already stay what they are."""
    return payload if type(payload) is msgspec.Raw else msgspec.Raw(_ENCODE(payload))


def encode_ok(request_id: Any, payload: Any) -> bytes:
    """A successful response; `payload` may be a `msgspec.Raw`."""
    return b'{"type":"res","id":%b,"ok":true,"payload":%b}' % (
        _ENCODE(request_id),
        encode_payload(payload),
    )


def encode_error(request_id: Any, error: ErrorShape, payload: Any = None) -> bytes:
    """A refused or failed response, with a payload where the method has one (`agent`)."""
    if payload is None:
        return b'{"type":"res","id":%b,"ok":false,"error":%b}' % (
            _ENCODE(request_id),
            _ENCODE(error),
        )
    return b'{"type":"res","id":%b,"ok":false,"payload":%b,"error":%b}' % (
        _ENCODE(request_id),
        _ENCODE(payload),
        _ENCODE(error),
    )


def event_parts(event: str, payload: Any, state_version: Any = None) -> bytes:
    """An event frame without its closing brace, so that each connection adds its own `seq`."""
    head = b'{"type":"event","event":%b' % _ENCODE(event)
    if payload is not None:
        head += b',"payload":%b' % _ENCODE(payload)
    if state_version is not None:
        head += b',"stateVersion":%b' % _ENCODE(state_version)
    return head


def encode_event(parts: bytes, seq: int | None) -> bytes:
    """Close what `event_parts` opened; `seq` is None for `connect.challenge` and node unicast."""
    if seq is None:
        return parts + b"}"
    return b'%b,"seq":%d}' % (parts, seq)
