"""What the setup assistant asks, and the settings that follow from the answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from carapace_zalo.accounts import TOKEN, WEBHOOK_SECRET, parse_webhook_url
from carapace_zalo.ports import PortError

__all__ = ["Question", "questions", "settings"]

_TOKEN: Final = re.compile(r"[0-9]+:[^\s:]+")
_SECRET_CHARS: Final = range(8, 257)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question; as `setup.question` of the contract."""

    key: str
    label: str
    help: str
    kind: Literal["text", "secret"]
    required: bool


def questions() -> list[Question]:
    """What has to be known of an account."""
    return [
        Question(
            key=TOKEN,
            label="Bot token",
            help="Make a bot on the Zalo Bot Platform (https://bot.zaloplatforms.com) and copy "
            "its token. It looks like 12345689:abc-xyz.",
            kind="secret",
            required=True,
        ),
        Question(
            key="webhookUrl",
            label="Public https address for messages",
            help="Leave it empty to let the gateway ask Zalo for messages; that needs no public "
            "address. Otherwise: the address under which Zalo reaches /plugins/zalo/webhook here.",
            kind="text",
            required=False,
        ),
        Question(
            key=WEBHOOK_SECRET,
            label="Secret of the webhook",
            help="Only with an address: 8 to 256 characters that Zalo sends with each message.",
            kind="secret",
            required=False,
        ),
    ]


def settings(account: str, answers: str) -> str:
    """The settings to write, as JSON.

    A secret may come as it was typed or as the gateway's handle for it; either goes back as it
    came.

    Args:
        account: Its name.
        answers: JSON object by the questions' keys.

    Raises:
        PortError: If an answer does not fit; says which.
    """
    given = _answers(answers)
    found: dict[str, str] = {}
    token = given.get(TOKEN, "")
    if not token:
        raise _wrong("The bot token is missing. Copy it from the Zalo Bot Platform.")
    if token != f"{account}/{TOKEN}" and not _TOKEN.fullmatch(token):
        raise _wrong("The bot token does not look like 12345689:abc-xyz. Copy it again.")
    found[TOKEN] = token
    url = given.get("webhookUrl", "")
    secret = given.get(WEBHOOK_SECRET, "")
    if url:
        parse_webhook_url(account, url)
        if not secret:
            raise _wrong("A webhook needs a secret of 8 to 256 characters.")
        found["webhookUrl"] = url
    if secret:
        if secret != f"{account}/{WEBHOOK_SECRET}" and len(secret) not in _SECRET_CHARS:
            raise _wrong("The secret of the webhook must have 8 to 256 characters.")
        found[WEBHOOK_SECRET] = secret
    return json.dumps(found, ensure_ascii=False)


def _answers(text: str) -> dict[str, str]:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong("The answers are no object. Start the setup again.")
    pairs = cast("dict[str, object]", value).items()
    return {key: one.strip() for key, one in pairs if isinstance(one, str)}


def _wrong(message: str) -> PortError:
    return PortError("bad-answer", message)
