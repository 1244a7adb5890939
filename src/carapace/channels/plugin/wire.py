"""The values of the `channel` interface in `wit/plugin.wit`, to and from the house's own.

What a guest says is read like a file from a stranger: it is converted into a struct, or it does
not count.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from carapace.channels.types import (
    ChannelInfo,
    ChatType,
    Dead,
    Delivered,
    LengthUnit,
    Outgoing,
    Poll,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)
from carapace.errors import Refused
from carapace.plugins.guest import said

__all__ = ["channel_info", "outcome_of", "outgoing_record", "poll_record", "target_record"]

_MAX_ALIASES: Final = 16
_MAX_ID_CHARS: Final = 1_024
_Feature = Literal[
    "drops-repeats",
    "look-up",
    "edit",
    "delete",
    "react",
    "typing",
    "media",
    "polls",
    "markdown",
    "tables",
]


class _About(msgspec.Struct, frozen=True):
    """`channel.about`."""

    id: str
    label: str
    aliases: list[str]
    order: int
    max_text: int
    unit: LengthUnit
    chat_types: list[Literal["direct", "group", "channel"]]
    features: list[_Feature]


class _Error(msgspec.Struct, frozen=True):
    """`types.error`."""

    code: str
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None


class _Outcome(msgspec.Struct, frozen=True):
    """`channel.outcome` before its payload is looked at."""

    tag: Literal["delivered", "retry-after", "dead", "unknown"]
    value: Any = None


def channel_info(value: Any, plugin_id: str) -> ChannelInfo:
    """What `channel.describe` answered.

    Raises:
        Refused: If it makes no sense, or is about another channel than the plugin's own.
    """
    try:
        about = msgspec.convert(value, _About)
    except msgspec.ValidationError as error:
        raise Refused(f"The plugin {plugin_id} describes no channel: {error}.") from None
    if about.id != plugin_id:
        raise Refused(
            f"The plugin {plugin_id} describes a channel {said(about.id)!r}. A plugin has one "
            "channel, and it bears the plugin's id: correct `channel.describe`."
        )
    if about.max_text < 1 or not about.chat_types or not said(about.label):
        raise Refused(
            f"The channel of the plugin {plugin_id} has no label, no room for text, or is "
            "nowhere: correct `channel.describe`."
        )
    features = set(about.features)
    return ChannelInfo(
        id=about.id,
        label=said(about.label),
        order=about.order,
        aliases=tuple(said(one) for one in about.aliases[:_MAX_ALIASES]),
        max_text=about.max_text,
        unit=about.unit,
        chat_types=frozenset(ChatType(one) for one in about.chat_types),
        drops_repeats="drops-repeats" in features,
        can_look_up="look-up" in features,
        can_edit="edit" in features,
        can_delete="delete" in features,
        can_react="react" in features,
        can_type="typing" in features,
        can_media="media" in features,
        can_poll="polls" in features,
        markdown="markdown" in features,
        tables="tables" in features,
    )


def target_record(target: Target) -> dict[str, Any]:
    """`channel.target`."""
    return {
        "account": target.account,
        "conversation_id": target.conversation,
        "thread_id": target.thread_id,
    }


def outgoing_record(outgoing: Outgoing) -> dict[str, Any]:
    """`channel.outgoing`."""
    return {
        "target": target_record(outgoing.target),
        "text": outgoing.text,
        "media": list(outgoing.media),
        "reply_to": outgoing.reply_to,
        "about_message_id": outgoing.about_message_id,
        "idempotency_key": outgoing.idempotency_key,
        "may_be_repeat": outgoing.may_be_repeat,
        "attempt": outgoing.attempt,
    }


def poll_record(outgoing: Outgoing) -> dict[str, Any]:
    """`channel.poll`, of a message that is one."""
    poll = outgoing.poll or Poll(options=())
    return {
        "question": outgoing.text,
        "options": list(poll.options),
        "max_selections": poll.max_selections,
    }


def outcome_of(value: Any) -> SendOutcome:
    """What a send came to; an answer that makes no sense leaves it unknown."""
    try:
        outcome = msgspec.convert(value, _Outcome)
        if outcome.tag == "delivered":
            return Delivered(message_id=_kept(msgspec.convert(outcome.value, str | None)))
        error = msgspec.convert(outcome.value, _Error)
    except msgspec.ValidationError as problem:
        return Unknown(reason=f"the plugin's answer makes no sense: {problem}")
    reason = said(error.message) or said(error.code) or "the plugin does not say why"
    if outcome.tag == "dead":
        return Dead(reason=reason)
    after_s = None if error.retry_after_ms is None else error.retry_after_ms / 1000
    if outcome.tag == "retry-after":
        return RetryAfter(reason=reason, after_s=after_s)
    return Unknown(reason=reason, after_s=after_s)


def _kept(message_id: str | None) -> str | None:
    """An id that can be kept; without it the message cannot be edited, and it has arrived."""
    return message_id if message_id and len(message_id) <= _MAX_ID_CHARS else None
