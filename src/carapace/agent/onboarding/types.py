"""What the questions know, ask and end in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from carapace.value import Value

__all__ = ["SERVER", "Answers", "Choice", "Facts", "Kind", "Question", "SetupPlan", "Source"]

SERVER: Final = "server"
"""The provider that a person names by its address."""


class Kind(StrEnum):
    """How a client shows a question, as the Node gateway's clients know it."""

    NOTE = "note"
    SELECT = "select"
    TEXT = "text"
    CONFIRM = "confirm"


class Choice(Value, frozen=True):
    """One answer to choose."""

    value: str
    label: str
    hint: str | None = None


class Question(Value, frozen=True, kw_only=True):
    """One step.

    Attributes:
        name: Which step it is, for the machine.
        is_secret: The answer is not shown while it is typed.
    """

    name: str
    kind: Kind
    title: str | None = None
    message: str
    choices: tuple[Choice, ...] = ()
    initial: str | bool | None = None
    placeholder: str | None = None
    is_secret: bool = False


class Source(Value, frozen=True, kw_only=True):
    """A provider that can be chosen.

    Attributes:
        id: As in `models.providers.<id>`.
        label: For people.
        wants_key: It does nothing without a key.
        has_key: A key for it is known already, as of the environment.
        wants_model: Its models are not known here, so one has to be named.
        models: Those that are known, best first.
        hint: What a person should know before choosing it.
    """

    id: str
    label: str
    wants_key: bool = False
    has_key: bool = False
    wants_model: bool = False
    models: tuple[Choice, ...] = ()
    hint: str | None = None


class Facts(Value, frozen=True, kw_only=True):
    """What is there when the questions begin.

    Attributes:
        sources: Providers, the recommended one first.
        channels: Chat services that can be switched on, by id.
        model: The model that is used now, as `provider/model`.
        program: How this gateway is started: the command and its arguments.
    """

    sources: tuple[Source, ...]
    channels: tuple[Choice, ...] = ()
    model: str | None = None
    program: tuple[str, ...] = ("cara", "up", "--no-chat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was answered so far; None was not asked yet.

    Attributes:
        seen: Notes that were read.
        key: A secret; empty keeps what is known.
        is_agreed: Whether it shall be written.
    """

    workspace: str | None = None
    seen: frozenset[str] = frozenset()
    provider: str | None = None
    address: str | None = None
    key: str | None = field(default=None, repr=False)
    model: str | None = None
    channel: str | None = None
    service: str | None = None
    is_agreed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupPlan:
    """What is to be written.

    Attributes:
        patch: A merge patch for the configuration; no secret is in it.
        provider: Whose key it is.
        address: Where that provider is, if a person said so: the key belongs to that address.
        key: The secret for the vault, if there is one.
    """

    patch: dict[str, Any]
    provider: str
    address: str | None = None
    key: str | None = field(default=None, repr=False)
