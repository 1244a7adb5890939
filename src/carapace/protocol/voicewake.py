"""`voicewake.*` on the wire: the words that wake the apps."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["VoiceWake", "VoiceWakeSet"]


class VoiceWakeSet(msgspec.Struct, rename="camel"):
    """Params of `voicewake.set`; what is no list is refused in words of its own."""

    triggers: Any = None


class VoiceWake(msgspec.Struct, rename="camel"):
    """The answer of both methods, and the payload of `voicewake.changed`."""

    triggers: tuple[str, ...]
