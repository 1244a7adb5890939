"""Answers as recordings: `tts.*`. Extra params are ignored, as the Node gateway does."""

from __future__ import annotations

import msgspec

__all__ = [
    "TtsConvert",
    "TtsConverted",
    "TtsEnabled",
    "TtsEngine",
    "TtsProvider",
    "TtsProviders",
    "TtsSetProvider",
    "TtsStatus",
]


class TtsConvert(msgspec.Struct, rename="camel"):
    """Params of `tts.convert`; `channel` decides the form of the recording."""

    text: str = ""
    channel: str | None = None


class TtsSetProvider(msgspec.Struct, rename="camel"):
    """Params of `tts.setProvider`."""

    provider: str = ""


class TtsEnabled(msgspec.Struct, frozen=True):
    """Result of `tts.enable` and `tts.disable`."""

    enabled: bool


class TtsProvider(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who speaks."""

    provider: str


class TtsConverted(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Result of `tts.convert`.

    Attributes:
        audio_path: The file on the gateway's disk; for others than administrators its id alone.
        media_id: The same file in the media store.
        voice_compatible: Chat services show it as a voice message.
    """

    audio_path: str
    media_id: str
    provider: str
    output_format: str
    voice_compatible: bool


class TtsEngine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One who can speak, as `tts.providers` lists it."""

    id: str
    name: str
    configured: bool
    models: tuple[str, ...]
    voices: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class TtsProviders(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `tts.providers`; `active` speaks."""

    providers: list[TtsEngine]
    active: str


class TtsStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Result of `tts.status`.

    Attributes:
        auto: `off` or `always`.
        fallback_providers: Who is asked if the provider fails, in order.
        prefs_path: Where the choice is kept: the name of the database.
    """

    enabled: bool
    auto: str
    provider: str
    fallback_provider: str | None
    fallback_providers: list[str]
    prefs_path: str
    has_open_ai_key: bool = msgspec.field(name="hasOpenAIKey")
    has_eleven_labs_key: bool = msgspec.field(name="hasElevenLabsKey")
    edge_enabled: bool
