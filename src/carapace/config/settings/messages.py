"""`messages.*`: what holds for messages of every chat service."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import Count, Name, Section, setting
from carapace.config.settings.speech import SpeechSettings

__all__ = ["GroupChatSettings", "InboundSettings", "MessagesSettings", "OutboundSettings"]

_Debounce = Annotated[int, msgspec.Meta(ge=0, le=60_000)]
_Minutes = Annotated[int, msgspec.Meta(ge=1, le=10_080)]
_Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class InboundSettings(Section, frozen=True):
    """Messages that come in."""

    debounce_ms: Annotated[
        _Debounce,
        setting(
            "How long to wait for a further message of the same person before answering, in "
            "milliseconds; they are answered as one. 0 answers each.",
            live=True,
        ),
    ] = 0
    by_channel: Annotated[
        dict[Name, _Debounce], setting("The same for single channels, by id.", live=True)
    ] = msgspec.field(default_factory=dict[str, int])


class OutboundSettings(Section, frozen=True):
    """Messages that go out."""

    ttl_minutes: Annotated[
        _Minutes,
        setting(
            "How long a message may wait to be sent. What is older is given up and told to you: "
            "an answer that comes hours late confuses more than it helps.",
            live=True,
        ),
    ] = 60


class GroupChatSettings(Section, frozen=True):
    """Groups of every chat service."""

    history_limit: Annotated[
        Count,
        setting(
            "Group messages not meant for the assistant that are kept as context for the next "
            "one that is; 0 keeps none.",
            live=True,
        ),
    ] = 50
    mention_patterns: Annotated[
        tuple[_Pattern, ...],
        setting(
            "Regular expressions by which a group message means the assistant, upper and lower "
            "case alike. Without groups to refer back to, look-around and `{n,m}` above 64.",
            live=True,
        ),
    ] = ()


class MessagesSettings(Section, frozen=True):
    """Messages of every chat service."""

    inbound: Annotated[InboundSettings, setting("Messages that come in.", live=True)] = (
        msgspec.field(default_factory=InboundSettings)
    )
    outbound: Annotated[OutboundSettings, setting("Messages that go out.", live=True)] = (
        msgspec.field(default_factory=OutboundSettings)
    )
    group_chat: Annotated[GroupChatSettings, setting("Groups.", live=True)] = msgspec.field(
        default_factory=GroupChatSettings
    )
    tts: Annotated[SpeechSettings, setting("Answers as recordings.", live=True)] = msgspec.field(
        default_factory=SpeechSettings
    )
    response_prefix: Annotated[
        str | None, setting("Put before every answer on a chat service.", live=True)
    ] = None
