"""Messages that a chat takes as commands instead of showing them to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["Command", "Reset", "Status", "is_stop", "parse"]

_STOP_WORDS: Final = frozenset(
    {"/stop", "/abort", "stop", "abort", "esc", "exit", "interrupt", "wait"}
)
_RESET_WORDS: Final = ("/new", "/reset")


@dataclass(frozen=True, slots=True)
class Reset:
    """Begin a new session; `rest` is the first message of it, maybe empty."""

    rest: str


@dataclass(frozen=True, slots=True)
class Status:
    """Answer how the session stands, without a model."""


Command = Reset | Status


def is_stop(message: str) -> bool:
    """Whether the whole message asks to end what runs; a sentence with the word does not."""
    return message.strip().lower() in _STOP_WORDS


def parse(message: str) -> Command | None:
    """The command in `message`, or None if it is for the model."""
    text = message.strip()
    word, _, rest = text.partition(" ")
    if word.lower() in _RESET_WORDS:
        return Reset(rest.strip())
    if text.lower() == "/status":
        return Status()
    return None
