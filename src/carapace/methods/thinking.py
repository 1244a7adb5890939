"""The `thinking` word of a message: which level it names, in the words clients know."""

from __future__ import annotations

from typing import Final

from carapace.agent.providers.ports import ThinkingLevel
from carapace.errors import Refused

__all__ = ["level_of"]

_ALIASES: Final = {
    "on": ThinkingLevel.LOW,
    "min": ThinkingLevel.MINIMAL,
    "think": ThinkingLevel.MINIMAL,
    "mid": ThinkingLevel.MEDIUM,
    "med": ThinkingLevel.MEDIUM,
    "max": ThinkingLevel.HIGH,
    "highest": ThinkingLevel.HIGH,
}


def level_of(word: str | None) -> ThinkingLevel | None:
    """The level `word` names; None if there is none, so that session and agent decide.

    Raises:
        Refused: If it names no level.
    """
    text = (word or "").strip().lower()
    if not text:
        return None
    if text in _ALIASES:
        return _ALIASES[text]
    try:
        return ThinkingLevel(text)
    except ValueError:
        known = "|".join(level.value for level in ThinkingLevel)
        raise Refused(f"invalid thinking level: use one of {known}") from None
