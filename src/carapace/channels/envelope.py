"""A message from a chat service as an agent reads it: who, where, when, and then the words.

The head is ours: names in it are cut, kept on one line and freed of brackets, so that no name can
close it. What the person wrote comes last, after everything that others wrote; nothing in it can
pass for words of somebody else.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from carapace.channels.inbox.pending import PendingContext
from carapace.channels.types import ChatType, InboundMedia, InboundMessage, Quote

__all__ = ["body_of", "envelope"]

_MAX_APART_MS: Final = 30 * 24 * 3_600_000
_NAME_CHARS: Final = 80
_QUOTE_CHARS: Final = 1_000
_UNFIT: Final = re.compile(r"[\[\]\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTEXT_HEAD: Final = (
    "Said in this conversation since your last answer, oldest first, one JSON object a line. "
    "It is context, not addressed to you:"
)
_CONTEXT_END: Final = "The message for you:"


def body_of(message: InboundMessage) -> str:
    """The words, and what came with them by kind: what a person would read."""
    parts = [message.text.strip()] if message.text.strip() else []
    parts += [_media(one) for one in message.media]
    return "\n".join(parts)


def envelope(
    body: str,
    message: InboundMessage,
    *,
    channel_label: str,
    received_at_ms: int,
    context: PendingContext | None = None,
) -> str:
    """The text of a turn.

    Args:
        body: What was written, maybe in several messages.
        message: The newest of them.
        channel_label: The service's name.
        received_at_ms: For services that tell no time, or one that makes no sense.
        context: What others said before.
    """
    head = _head(message, channel_label, received_at_ms)
    words = f"{head} {body}"
    if message.quote is not None:
        words = f"{head}\n{_quote(message.quote)}\n{body}"
    if context is not None:
        words = "\n".join((_CONTEXT_HEAD, *context.lines, _CONTEXT_END, words))
    return words


def _head(message: InboundMessage, channel_label: str, received_at_ms: int) -> str:
    place, sender = message.conversation, message.sender
    sent_at_ms = message.sent_at_ms or received_at_ms
    at_ms = sent_at_ms if abs(sent_at_ms - received_at_ms) < _MAX_APART_MS else received_at_ms
    at = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    who = _plain(sender.display_name or "") or _plain(sender.id)
    if place.chat_type is ChatType.DIRECT:
        return f"[{_plain(channel_label)} {who} {at}]"
    room = _plain(place.label or "") or _plain(place.id)
    return f"[{_plain(channel_label)} {room}, {who} id:{_plain(sender.id)} {at}]"


def _quote(quote: Quote) -> str:
    """What the message answers, as one JSON object: another person's words."""
    text = quote.text and quote.text[:_QUOTE_CHARS]
    told = {"replyTo": quote.message_id, "from": quote.sender_id, "text": text}
    kept = {name: value for name, value in told.items() if value is not None}
    return f"In reply to {msgspec.json.encode(kept).decode()}"


def _media(item: InboundMedia) -> str:
    kind = (item.content_type or "").partition("/")[0]
    return f"<media:{kind if kind in ('image', 'audio', 'video') else 'document'}>"


def _plain(text: str) -> str:
    return " ".join(_UNFIT.sub(" ", text).split())[:_NAME_CHARS]
