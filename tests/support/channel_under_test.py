"""What the conformance suite needs to know about a channel and the service behind it.

One class for each channel says how its service is staged and what a person there sees; the suite
in `tests/contract/channel` asks all of them the same questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from carapace.channels.ports import Account, Channel
from carapace.channels.types import InboundMessage, OutgoingKind

if TYPE_CHECKING:
    from support.channel_claims import Claims  # it describes what is seen, as below

__all__ = ["Answer", "BadSettings", "ChannelUnderTest", "Opened", "Rig", "Seen", "Trouble"]


class Trouble(StrEnum):
    """How a service may behave at one send."""

    REJECTS = "rejects"  # for good: unknown room, message not allowed
    FORBIDS = "forbids"  # our credential is not good
    TOO_MANY = "too many"
    TOO_MANY_FOR_9_S = "too many, come back in 9 seconds"
    TOO_MANY_UNTIL_A_DATE = "too many, come back at a date 30 seconds ahead"
    TOO_MANY_IN_NONSENSE = "too many, come back soon"
    UNAVAILABLE = "unavailable"
    BREAKS = "breaks"  # it fails in the middle of its work
    RESETS = "resets"  # it read the message, then cut the line
    RESETS_UNREAD = "resets before it read"
    TALKS_GARBAGE = "talks garbage"
    CUTS_ANSWER = "takes it, cuts its answer"
    STALLS_ANSWER = "takes it, never ends its answer"
    ANSWERS_NONSENSE = "takes it, answers something else than it should"
    ANSWERS_MUCH = "takes it, answers far too much"
    SILENT = "never answers"
    DOWN = "is not there"
    KNOWS_KEY = "says that it has that key already"


class Answer(StrEnum):
    """How the house answered the service when something happened there."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    BUFFERED = "buffered"
    ASKED = "asked"
    HANDLED = "handled"
    DROPPED = "dropped"
    LATER = "later"  # not taken, send it again
    REFUSED = "refused"  # not taken, it makes no sense
    GONE = "gone"  # nobody listens


@dataclass(frozen=True)
class Seen:
    """What a person at the service sees. `is_marked` says that it may be there already."""

    text: str
    conversation: str
    key: str
    kind: OutgoingKind = OutgoingKind.MESSAGE
    thread: str | None = None
    reply_to: str | None = None
    about: str | None = None
    media: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    is_marked: bool = False


@dataclass(frozen=True)
class BadSettings:
    """Settings that an account must not open with, and the word that its refusal says."""

    settings: Mapping[str, Any]
    word: str


class Rig(Protocol):
    """One channel with its service, for one test."""

    @property
    def channel(self) -> Channel: ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Good ones."""
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """Texts in them that nobody may ever see."""
        ...

    @property
    def bad_settings(self) -> Sequence[BadSettings]: ...

    async def happen(self, message: InboundMessage) -> Answer:
        """Let something happen at the service, as it tells us of it."""
        ...

    async def forge(self, message: InboundMessage) -> Answer:
        """The same, from somebody who is not the service."""
        ...

    async def stage(self, trouble: Trouble) -> None:
        """Behave so at the next send."""
        ...

    async def calm(self) -> None:
        """What hangs goes on; the service behaves again."""
        ...

    def seen(self) -> list[Seen]:
        """In the order of arrival."""
        ...

    async def attempted(self, count: int) -> None:
        """Return when that many sends have reached the service."""
        ...


class ChannelUnderTest(Protocol):
    """A kind of channel; the class attributes say which questions make sense for it."""

    name: ClassVar[str]
    way: ClassVar[str]
    """How it hears of things, where one channel has several ways; else empty."""
    account: ClassVar[str]
    receives: ClassVar[bool]
    """Its service tells us what happens."""
    authenticates: ClassVar[bool]
    """It can tell its service from somebody else."""
    sends: ClassVar[frozenset[OutgoingKind]]
    marks_repeats: ClassVar[bool]
    """What may be a repeat says so."""
    drops_repeats: ClassVar[bool]
    troubles: ClassVar[frozenset[Trouble]]
    """Those that its service can be staged with."""
    claims: ClassVar[Claims]
    """What its service has; see `support.channel_claims`."""

    def rig(self, folder: Path) -> AbstractAsyncContextManager[Rig]:
        """The channel with its service, both fresh."""
        ...


@dataclass(frozen=True)
class Opened:
    """A rig whose account runs."""

    rig: Rig
    account: Account
