"""`tools.media.*` and `tools.links.*`: what is made readable of a message's files and links."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Count, Name, PositiveInt, Section, setting

__all__ = [
    "AudioReading",
    "DocumentReading",
    "ImageReading",
    "LinkReading",
    "MediaReading",
    "ReadingModel",
]

_MEBIBYTE = 1024 * 1024
_Bytes = Annotated[int, msgspec.Meta(ge=1, le=100 * _MEBIBYTE)]
_Chars = Annotated[int, msgspec.Meta(ge=100, le=200_000)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]
_Above = Literal["off"] | Count
_Summariser = Annotated[
    Name | None,
    setting(
        "Who summarises, `provider/model`; without it the agent's own, unless that is the "
        "embedded one.",
        live=True,
    ),
]
_SummaryTimeout = Annotated[
    _Seconds, setting("Longest time for one summary; then the text itself is given.", live=True)
]


class ReadingModel(Section, frozen=True):
    """A model that looks or listens."""

    provider: Annotated[
        Name | None,
        setting(
            "Its provider, as under `models.providers`; entries without are left out.", live=True
        ),
    ] = None
    model: Annotated[
        Name | None,
        setting(
            "The vendor's name of it; recordings have a usual one, pictures need it.", live=True
        ),
    ] = None


class ImageReading(Section, frozen=True):
    """Pictures."""

    enabled: Annotated[bool, setting("Show pictures to models.", live=True)] = True
    max_bytes: Annotated[_Bytes, setting("Largest picture that is shown.", live=True)] = (
        10 * _MEBIBYTE
    )
    max_chars: Annotated[
        _Chars, setting("Longest description, for a model that sees none.", live=True)
    ] = 1_000
    timeout_seconds: Annotated[_Seconds, setting("Longest time to describe one.", live=True)] = 60
    models: Annotated[
        tuple[ReadingModel, ...],
        setting(
            "Who describes pictures to a model that sees none; the first that can. Without any "
            "the agent's own models are looked through.",
            live=True,
        ),
    ] = ()


class AudioReading(Section, frozen=True):
    """Recordings."""

    enabled: Annotated[bool, setting("Turn recordings into text.", live=True)] = True
    max_bytes: Annotated[_Bytes, setting("Largest recording that is heard.", live=True)] = (
        20 * _MEBIBYTE
    )
    max_chars: Annotated[_Chars, setting("Longest transcript.", live=True)] = 20_000
    timeout_seconds: Annotated[_Seconds, setting("Longest time for one.", live=True)] = 60
    language: Annotated[
        str | None, setting("What is spoken, as in `en`; without it, found out.", live=True)
    ] = None
    models: Annotated[
        tuple[ReadingModel, ...],
        setting(
            "Who listens: providers that speak OpenAI's format, the first that answers. Without "
            "any, the speech model on this machine, else OpenAI if there is a key, else a small "
            "English engine.",
            live=True,
        ),
    ] = ()
    local_model: Annotated[
        str | None,
        setting(
            "Folder of a faster-whisper model; without it the one that "
            "`cara model pull whisper-base` fetched.",
            live=True,
        ),
    ] = None


class DocumentReading(Section, frozen=True):
    """PDF, web pages and plain text."""

    enabled: Annotated[bool, setting("Read documents.", live=True)] = True
    max_bytes: Annotated[_Bytes, setting("Largest document that is read.", live=True)] = (
        20 * _MEBIBYTE
    )
    max_pages: Annotated[PositiveInt, setting("Pages of one that are read.", live=True)] = 30
    max_chars: Annotated[
        _Chars, setting("Characters of one that are given as they are.", live=True)
    ] = 20_000
    timeout_seconds: Annotated[_Seconds, setting("Longest time to read one.", live=True)] = 30
    summary_above_chars: Annotated[
        _Above,
        setting(
            "Documents whose text is longer are given as a summary by a model: 0 all of them, "
            "`off` none. Strangers' are never summarised.",
            live=True,
        ),
    ] = 20_000
    model: _Summariser = None
    summary_timeout_seconds: _SummaryTimeout = 30


class MediaReading(Section, frozen=True):
    """Files of messages."""

    image: Annotated[ImageReading, setting("Pictures.", live=True)] = msgspec.field(
        default_factory=ImageReading
    )
    audio: Annotated[AudioReading, setting("Recordings.", live=True)] = msgspec.field(
        default_factory=AudioReading
    )
    document: Annotated[DocumentReading, setting("Documents.", live=True)] = msgspec.field(
        default_factory=DocumentReading
    )


class LinkReading(Section, frozen=True):
    """Links in messages."""

    enabled: Annotated[
        bool,
        setting(
            "Read the pages behind links of people who were let in; strangers' never.", live=True
        ),
    ] = True
    max_links: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=10)],
        setting("Links of one message that are read.", live=True),
    ] = 3
    max_chars: Annotated[
        _Chars, setting("Characters of one page that are given as they are.", live=True)
    ] = 8_000
    timeout_seconds: Annotated[_Seconds, setting("Longest time to fetch one.", live=True)] = 15
    summary_above_chars: Annotated[
        _Above,
        setting(
            "Pages whose text is longer are given as a summary by a model: 0 all of them, "
            "`off` none. The agent's daily caps hold.",
            live=True,
        ),
    ] = 2_000
    model: _Summariser = None
    summary_timeout_seconds: _SummaryTimeout = 30
