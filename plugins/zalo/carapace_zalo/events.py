"""Updates of the Bot API: what somebody wrote, or why it is nothing for us. Pure.

Zalo hands over one update at a time, bare in a webhook's body and wrapped as `{ok, result}` in
an answer to getUpdates; both are read here, and nothing in one is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from carapace_zalo.accounts import Account
from carapace_zalo.ports import Message

__all__ = ["NotAnUpdate", "Skipped", "parse_update"]

TEXT: Final = "message.text.received"
IMAGE: Final = "message.image.received"
_MAX_ID: Final = 256
_MAX_NAME: Final = 200
_MAX_URL: Final = 8_192
_MILLISECONDS_FROM: Final = 1e12
"""Times below are seconds, as older descriptions of the API have them: as milliseconds they
would lie before 2001."""
_LAST_MS: Final = 253_402_300_800_000.0  # the year 10000


class NotAnUpdate(ValueError):  # noqa: N818 - it is the value that is none
    """The value is nothing that the Bot API sends."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An update that needs no answer.

    Attributes:
        why: For the log; holds nothing that somebody wrote.
    """

    why: str


def parse_update(value: object, account: Account) -> Message | Skipped:
    """Read one update for one of our bots.

    Args:
        value: Parsed JSON, bare or wrapped as `{ok, result}`.
        account: Whose update it is.

    Raises:
        NotAnUpdate: If it has no event name.
    """
    update = _mapping(value)
    if update is not None and "event_name" not in update:
        update = _mapping(update.get("result"))
    name = update.get("event_name") if update is not None else None
    if update is None or not isinstance(name, str) or not name:
        raise NotAnUpdate("there is no event_name in it")
    if name not in {TEXT, IMAGE}:
        return Skipped(_unsupported(name))
    message = _mapping(update.get("message"))
    if message is None:
        return Skipped("it has no message")
    return _message(name, message, account)


def _unsupported(name: str) -> str:
    known = {
        "message.sticker.received": "stickers are not understood",
        "message.unsupported.received": "Zalo does not pass this kind of message on",
    }
    return known.get(name, "this kind of event is not known")


def _message(name: str, value: Mapping[str, object], account: Account) -> Message | Skipped:
    sender = _mapping(value.get("from")) or {}
    chat = _mapping(value.get("chat")) or {}
    ids = [_id(value.get("message_id")), _id(sender.get("id")), _id(chat.get("id"))]
    if None in ids:
        return Skipped("it lacks the id of the message, of its sender or of its chat")
    message_id, sender_id, chat_id = cast("list[str]", ids)
    if sender_id == account.bot_id:
        return Skipped("our own bot wrote it")
    photo = _url(value.get("photo_url") or value.get("photo")) if name == IMAGE else None
    text = _text(value.get("text")) if name == TEXT else _text(value.get("caption"))
    if not text.strip() and photo is None:
        return Skipped("it has neither text nor a photo")
    return Message(
        account=account.name,
        message_id=message_id,
        conversation_id=chat_id,
        is_group=_is_group(chat),
        sender_id=sender_id,
        sender_name=_name(sender),
        sender_is_bot=sender.get("is_bot") is True,
        text=text,
        sent_at_ms=_time_ms(value.get("date")),
        mentions_us=_mentions(text, account.bot_name),
        photo_url=photo,
    )


def _is_group(chat: Mapping[str, object]) -> bool:
    """Only a chat that says it is private is private: a group must never pass as one."""
    kind = chat.get("chat_type")
    return not (isinstance(kind, str) and kind.upper() == "PRIVATE")


def _mentions(text: str, bot_name: str | None) -> bool:
    """Whether `@name` stands in the text as a word of its own."""
    if not bot_name:
        return False
    found = rf"(?<!\w)@{re.escape(bot_name)}(?!\w)"
    return re.search(found, text, re.IGNORECASE) is not None


def _mapping(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else None


def _id(value: object) -> str | None:
    """Ids are opaque: digits once, hex today. Numbers are what JSON makes of the former."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**30 else ""
    if not isinstance(value, str) or len(value) > _MAX_ID:
        return None
    is_plain = value.isprintable() and not any(char.isspace() for char in value)
    return value if value and is_plain else None


def _name(sender: Mapping[str, object]) -> str | None:
    for key in ("display_name", "name"):
        value = sender.get(key)
        if isinstance(value, str) and value.strip():
            return _text(value).strip()[:_MAX_NAME]
    return None


def _text(value: object) -> str:
    """Text as it was written; lone halves of a character, which no JSON may carry on, go."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _url(value: object) -> str | None:
    is_url = isinstance(value, str) and value.startswith(("https://", "http://"))
    return value if is_url and len(cast("str", value)) <= _MAX_URL else None  # type: ignore[return-value]


def _time_ms(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        given = float(value)
    except OverflowError:
        return None
    moment = given if given >= _MILLISECONDS_FROM else given * 1_000
    return moment if 0 < moment < _LAST_MS else None
