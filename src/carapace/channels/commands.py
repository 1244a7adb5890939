"""Commands typed in a chat: which words are one, and what each needs.

A command acts at once instead of being shown to a model, so the authoriser finds it before
anything else does. What it misses, nobody else may take for a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["ChatCommand", "CommandName", "parse_command"]


class CommandName(StrEnum):
    """The commands there are."""

    NEW = "new"  # begin a new session; what follows is its first message
    STATUS = "status"  # how the session stands
    STOP = "stop"  # end what runs
    APPROVE = "approve"  # let in who was given this code
    REJECT = "reject"  # turn them away

    @property
    def is_for_owners(self) -> bool:
        """Only the owner may, whatever the settings say."""
        return self in {CommandName.APPROVE, CommandName.REJECT}


_SLASHED: Final = {
    "/new": CommandName.NEW,
    "/reset": CommandName.NEW,
    "/status": CommandName.STATUS,
    "/stop": CommandName.STOP,
    "/abort": CommandName.STOP,
    "/approve": CommandName.APPROVE,
    "/reject": CommandName.REJECT,
}
_ALONE: Final = frozenset({CommandName.STATUS, CommandName.STOP})
_STOP_WORDS: Final = frozenset({"stop", "abort", "esc", "exit", "interrupt", "wait"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCommand:
    """What somebody typed.

    Attributes:
        rest: What follows the word, without the space around it.
        is_bare: A plain word such as `stop`: in a group it only counts if it is meant for us.
    """

    name: CommandName
    rest: str = ""
    is_bare: bool = False


def parse_command(text: str) -> ChatCommand | None:
    """The command in `text`, or None if it is for the model.

    `/status` and `/stop` stand alone: with words behind them it is a sentence.
    """
    words = text.split(maxsplit=1)
    if not words:
        return None
    rest = words[1].strip() if len(words) > 1 else ""
    name = _SLASHED.get(words[0].lower())
    if name is not None:
        return None if rest and name in _ALONE else ChatCommand(name=name, rest=rest)
    if not rest and words[0].lower() in _STOP_WORDS:
        return ChatCommand(name=CommandName.STOP, is_bare=True)
    return None
