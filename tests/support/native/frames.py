"""Frames: what is told apart before anything of it is decoded."""

from __future__ import annotations

import json
from typing import Final

import msgspec

__all__ = [
    "EventFrame",
    "FrameStateVersion",
    "NativeStruct",
    "ResponseFrame",
    "WireError",
    "frame_of",
    "whole",
]


_NOTHING: Final = msgspec.Raw(b"null")


class NativeStruct(msgspec.Struct, rename="camel"):
    """Unknown fields are skipped, as Swift's and Kotlin's decoders do."""


class WireError(NativeStruct):
    code: str
    message: str


class ResponseFrame(NativeStruct, kw_only=True):
    type: str
    id: str
    ok: bool
    payload: msgspec.Raw = _NOTHING
    error: WireError | None = None


class FrameStateVersion(NativeStruct):
    presence: int
    health: int


class EventFrame(NativeStruct, kw_only=True):
    type: str
    event: str
    payload: msgspec.Raw = _NOTHING
    seq: int | None = None
    state_version: FrameStateVersion | None = None


def whole(data: str | bytes) -> None:
    """Refuse fractions anywhere in a message but in `cost`, which the apps hold as Double.

    Raises:
        ValueError: If there is one.
    """
    _no_fraction(json.loads(data), data)


def _no_fraction(value: object, data: str | bytes) -> None:
    if isinstance(value, float):
        raise ValueError(f"a native Int decoder fails on {value}: {str(data)[:300]}")  # noqa: TRY004 - as a decoder says it
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "cost":
                _no_fraction(item, data)
    if isinstance(value, list):
        for item in value:
            _no_fraction(item, data)


def frame_of(data: str | bytes, *, fractions: bool = False) -> ResponseFrame | EventFrame:
    """A message, told apart by its `type` as the apps do; no fractions in it.

    `fractions` lets them pass, for the one result that the apps keep as it is:
    `config.schema`, where a setting's default or bound may be one.
    """
    if not fractions:
        whole(data)
    kind = json.loads(data).get("type")
    decoder = {"res": ResponseFrame, "event": EventFrame}[kind]
    return msgspec.json.decode(data, type=decoder)
