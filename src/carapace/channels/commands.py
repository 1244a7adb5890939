"""Commands typed in a chat: which words are one, and what each needs. The one table of them.

A command acts at once instead of being shown to a model, so every door finds it before anything
else does: the authoriser for chat services, `chat.send` for our own clients. What they miss,
nobody else may take for a command.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

from carapace.protocol.scopes import Scope
from carapace.value import Value

__all__ = [
    "ROWS",
    "ChatCommand",
    "CommandName",
    "CommandRow",
    "Takes",
    "parse_command",
    "row_of",
]


class CommandName(StrEnum):
    """The commands there are."""

    NEW = "new"
    STATUS = "status"
    STOP = "stop"
    HELP = "help"
    WHOAMI = "whoami"
    MODEL = "model"
    THINK = "think"
    VERBOSE = "verbose"
    REASONING = "reasoning"
    USAGE = "usage"
    COMPACT = "compact"
    ACTIVATION = "activation"
    SEND = "send"
    APPROVE = "approve"
    REJECT = "reject"

    @property
    def is_for_owners(self) -> bool:
        """On chat services only the owner may, whatever the settings say."""
        return row_of(self).is_for_owners


class Takes(Enum):
    """What may follow a command; with anything else it is a sentence for the model."""

    NOTHING = "nothing"
    WORD = "word"
    TEXT = "text"


class CommandRow(Value, frozen=True, kw_only=True):
    """One command.

    Attributes:
        words: What people type; the first is the one they are told.
        scope: What one of our clients needs, that of the method which does the same.
        help: One line for people.
        takes: What may follow.
        choices: The words that may follow, where only some may.
        is_for_owners: On chat services only the owner may.
        shows: Alone, or with `list`, it only tells how things are; reading is enough for that.
        is_for_services: It means something on chat services alone; elsewhere it is no command.
    """

    name: CommandName
    words: tuple[str, ...]
    scope: Scope
    help: str
    takes: Takes = Takes.NOTHING
    choices: tuple[str, ...] = ()
    is_for_owners: bool = False
    shows: bool = False
    is_for_services: bool = False

    @property
    def usage(self) -> str:
        """How it is typed."""
        if self.choices:
            return f"{self.words[0]} {'|'.join(self.choices)}"
        return f"{self.words[0]} [...]" if self.takes is not Takes.NOTHING else self.words[0]


def _setting(
    name: CommandName, words: tuple[str, ...], help_line: str, *choices: str
) -> CommandRow:
    """A setting of the session: `sessions.patch` by another door."""
    return CommandRow(
        name=name,
        words=words,
        scope=Scope.ADMIN,
        help=help_line,
        takes=Takes.WORD,
        choices=choices,
        is_for_owners=True,
        shows=True,
    )


ROWS: Final = (
    CommandRow(
        name=CommandName.HELP,
        words=("/help", "/commands"),
        scope=Scope.READ,
        help="these commands",
    ),
    CommandRow(
        name=CommandName.STATUS,
        words=("/status",),
        scope=Scope.READ,
        help="how this conversation stands",
    ),
    CommandRow(
        name=CommandName.WHOAMI,
        words=("/whoami", "/id"),
        scope=Scope.READ,
        help="who you are to me, and what you may do",
    ),
    CommandRow(
        name=CommandName.STOP,
        words=("/stop", "/abort"),
        scope=Scope.WRITE,
        help="end what runs, sub-agents included",
    ),
    CommandRow(
        name=CommandName.NEW,
        words=("/new", "/reset"),
        scope=Scope.ADMIN,
        help="begin a new conversation; what follows is its first message",
        takes=Takes.TEXT,
    ),
    CommandRow(
        name=CommandName.COMPACT,
        words=("/compact",),
        scope=Scope.ADMIN,
        help="summarise older messages; what follows tells what matters",
        takes=Takes.TEXT,
        is_for_owners=True,
    ),
    _setting(
        CommandName.MODEL,
        ("/model",),
        "which model answers here: a name, `list`, or `default`",
    ),
    _setting(
        CommandName.THINK,
        ("/think", "/thinking", "/t"),
        "how long the model thinks",
        *("off", "minimal", "low", "medium", "high", "default"),
    ),
    _setting(
        CommandName.VERBOSE,
        ("/verbose", "/v"),
        "show tools as they run",
        *("on", "off", "full", "default"),
    ),
    _setting(
        CommandName.REASONING,
        ("/reasoning", "/reason"),
        "show what the model thought",
        *("on", "off"),
    ),
    _setting(
        CommandName.USAGE,
        ("/usage",),
        "a line about tokens below each answer",
        *("off", "tokens", "full"),
    ),
    _setting(
        CommandName.ACTIVATION,
        ("/activation",),
        "answer a group when mentioned, or always",
        *("mention", "always", "default"),
    ),
    _setting(
        CommandName.SEND,
        ("/send",),
        "whether this conversation may send anything",
        *("on", "off", "inherit"),
    ),
    CommandRow(
        name=CommandName.APPROVE,
        words=("/approve",),
        scope=Scope.PAIRING,
        help="let in who was given this code",
        takes=Takes.TEXT,
        is_for_owners=True,
        is_for_services=True,
    ),
    CommandRow(
        name=CommandName.REJECT,
        words=("/reject",),
        scope=Scope.PAIRING,
        help="turn them away",
        takes=Takes.TEXT,
        is_for_owners=True,
        is_for_services=True,
    ),
)
"""Every command, in the order in which people are shown them."""

_BY_NAME: Final = {row.name: row for row in ROWS}
_BY_WORD: Final = {word: row for row in ROWS for word in row.words}
_STOP_WORDS: Final = frozenset({"stop", "abort", "esc", "exit", "interrupt", "wait"})


def row_of(name: CommandName) -> CommandRow:
    """What the table says about `name`."""
    return _BY_NAME[name]


class ChatCommand(Value, frozen=True, kw_only=True):
    """What somebody typed.

    Attributes:
        rest: What follows the word, without the space around it.
        is_bare: A plain word such as `stop`: in a group it only counts if it is meant for us.
    """

    name: CommandName
    rest: str = ""
    is_bare: bool = False

    @property
    def scope(self) -> Scope:
        """What one of our own clients needs to use it so."""
        row = row_of(self.name)
        only_shows = row.shows and self.rest.lower() in ("", "list", "status")
        return Scope.READ if only_shows else row.scope


def parse_command(text: str) -> ChatCommand | None:
    """The command in `text`, or None if it is for the model.

    `/status` and `/stop` stand alone, `/think` and its like take one word: with more behind
    them it is a sentence.
    """
    words = text.split(maxsplit=1)
    if not words:
        return None
    rest = words[1].strip() if len(words) > 1 else ""
    row = _BY_WORD.get(words[0].lower())
    if row is not None:
        return ChatCommand(name=row.name, rest=rest) if _fits(row, rest) else None
    if not rest and words[0].lower() in _STOP_WORDS:
        return ChatCommand(name=CommandName.STOP, is_bare=True)
    return None


def _fits(row: CommandRow, rest: str) -> bool:
    if row.takes is Takes.TEXT or not rest:
        return True
    return row.takes is Takes.WORD and len(rest.split(maxsplit=1)) == 1
