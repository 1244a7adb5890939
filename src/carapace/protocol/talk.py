"""`talk.mode` on the wire: whether the apps hold a spoken conversation."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["TalkMode", "TalkModeSet"]


class TalkModeSet(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `talk.mode`; `phase` is the app's own word for how far the talk is."""

    enabled: bool
    phase: Annotated[str, Meta(max_length=64)] | None = None


class TalkMode(msgspec.Struct, rename="camel"):
    """The answer, and the payload of the event."""

    enabled: bool
    phase: str | None
    ts: int
