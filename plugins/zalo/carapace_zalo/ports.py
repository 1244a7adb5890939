"""What this plugin asks of the gateway, in its own words; `app.py` binds it to the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = [
    "Alarms",
    "Answer",
    "Files",
    "Http",
    "Inbox",
    "Level",
    "Log",
    "Message",
    "Polls",
    "PortError",
    "Ports",
    "Request",
    "Secret",
    "Secrets",
    "State",
    "Statuses",
    "Store",
]

Level = Literal["debug", "info", "warn", "error"]
State = Literal["starting", "running", "degraded", "stopped"]


class PortError(Exception):
    """Something did not work, here or at the gateway.

    Attributes:
        code: Stable, for programs.
        message: For people; holds no secret.
        retryable: Whether the same may work later.
        retry_after_ms: When, if known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that the gateway puts into a request.

    Attributes:
        name: Of the secret.
        place: `path` replaces the placeholder `where`, `json` sets the field at that pointer.
        where: The placeholder or the JSON pointer (RFC 6901).
    """

    name: str
    place: Literal["path", "json"]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST with a JSON body."""

    url: str
    body: str
    secrets: tuple[Secret, ...]
    timeout_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        text: The body; empty if it is no text.
        retry_after: The header of that name, if there is one.
    """

    status: int
    text: str
    retry_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that somebody wrote to one of our bots.

    Attributes:
        account: Which of our bots.
        message_id: Zalo's.
        conversation_id: Of the chat.
        is_group: Whether more than two are there.
        sender_id: Zalo's id of the person, for this bot only.
        sender_name: For people.
        sender_is_bot: As Zalo says.
        text: As written; of a photo its caption.
        sent_at_ms: When.
        mentions_us: Whether our bot is named in it.
        photo_url: Where its photo lies.
    """

    account: str
    message_id: str
    conversation_id: str
    is_group: bool
    sender_id: str
    sender_name: str | None = None
    sender_is_bot: bool = False
    text: str = ""
    sent_at_ms: float | None = None
    mentions_us: bool = False
    photo_url: str | None = None


class Http(Protocol):
    """The way out."""

    def fetch(self, request: Request) -> Answer:
        """Do it, once.

        Raises:
            PortError: If there is no answer.
        """
        ...


class Polls(Protocol):
    """Long requests that the gateway repeats; their answers come to `Polling.on_poll`."""

    def start(self, name: str, request: Request, payload: str) -> None:
        """Begin, or change, the request of this name."""
        ...

    def stop(self, name: str) -> None:
        """End it; nothing happens if there is none."""
        ...


class Alarms(Protocol):
    """One-shot alarms that outlive a restart; they come to `Polling.on_timer`."""

    def set(self, name: str, after_ms: int, payload: str) -> None:
        """Ring once, so long from now."""
        ...

    def cancel(self, name: str) -> None:
        """Do not ring."""
        ...


class Store(Protocol):
    """What outlives a call."""

    def get(self, key: str) -> str | None:
        """The value, if there is one."""
        ...

    def put(self, key: str, value: str, ttl_ms: int | None = None) -> None:
        """Write it, for so long."""
        ...

    def delete(self, key: str) -> None:
        """Forget it."""
        ...

    def scan(self, prefix: str) -> Sequence[tuple[str, str]]:
        """Keys and values that begin so, in order of keys."""
        ...


class Secrets(Protocol):
    """Secrets by name; their values stay with the gateway."""

    def names(self) -> Sequence[str]:
        """Those that there are."""
        ...

    def verify(self, name: str, presented: str) -> bool:
        """Whether this is it, compared in constant time."""
        ...


class Files(Protocol):
    """The gateway's media store."""

    def content_type(self, handle: str) -> str:
        """By content, e.g. `image/png`."""
        ...

    def link(self, handle: str, ttl_ms: int) -> str:
        """A public address that serves the file for so long, as often as asked."""
        ...


class Inbox(Protocol):
    """Where messages are handed in."""

    def deliver(self, message: Message) -> str:
        """Returns the status when it is written down.

        Raises:
            PortError: If it was not.
        """
        ...


class Statuses(Protocol):
    """What people see of an account."""

    def show(self, account: str, state: State, detail: str) -> None:
        """Say how it is."""
        ...


class Log(Protocol):
    """The gateway's log."""

    def emit(self, level: Level, message: str) -> None:
        """Write a line."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them."""

    http: Http
    polls: Polls
    alarms: Alarms
    store: Store
    secrets: Secrets
    files: Files
    inbox: Inbox
    statuses: Statuses
    log: Log
