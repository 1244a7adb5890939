# ruff: noqa: ARG002 - what a channel overrides tells what it takes
"""Channels: chat services that the assistant speaks on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from carapace_plugin.errors import PluginError

__all__ = [
    "Channel",
    "Dead",
    "Delivered",
    "LoginStep",
    "Outcome",
    "Outgoing",
    "Person",
    "Poll",
    "RetryAfter",
    "Target",
    "Unknown",
    "call",
    "channel",
]

ChatType = Literal["direct", "group", "channel"]
Unit = Literal["characters", "utf16", "bytes"]
Feature = Literal[
    "drops-repeats",
    "look-up",
    "edit",
    "delete",
    "react",
    "typing",
    "media",
    "polls",
    "markdown",
    "tables",
]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes."""

    account: str
    conversation_id: str
    thread_id: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out.

    Attributes:
        media: Handles of the media store.
        about_message_id: The message that an edit, a deletion or a reaction is about.
        idempotency_key: The same for every attempt.
        may_be_repeat: An earlier attempt may have arrived.
    """

    target: Target
    text: str
    media: list[str]
    reply_to: str | None
    about_message_id: str | None
    idempotency_key: str
    may_be_repeat: bool
    attempt: int


@dataclass(frozen=True, slots=True)
class Poll:
    """A question with options."""

    question: str
    options: list[str]
    max_selections: int


@dataclass(frozen=True, slots=True)
class Person:
    """An entry of a directory."""

    id: str
    name: str | None
    chat_type: ChatType


@dataclass(frozen=True, slots=True)
class LoginStep:
    """The next step of signing in; `kind` is `form`, `qr`, `link`, `wait` or `done`."""

    kind: str
    text: str
    data: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has arrived, under this id if the service told one."""

    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """It did not arrive; later it may."""

    error: PluginError


@dataclass(frozen=True, slots=True)
class Dead:
    """It did not arrive and never will."""

    error: PluginError


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have arrived: the answer was lost."""

    error: PluginError


Outcome = Delivered | RetryAfter | Dead | Unknown


class Channel:
    """A chat service; set the attributes and override what the service can do."""

    id: ClassVar[str]
    label: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    order: ClassVar[int] = 100
    max_text: ClassVar[int] = 4000
    unit: ClassVar[Unit] = "characters"
    chat_types: ClassVar[tuple[ChatType, ...]] = ("direct",)
    features: ClassVar[tuple[Feature, ...]] = ()

    def start(self, account: str, settings: dict[str, Any]) -> None:
        """Begin an account with its part of the configuration."""

    def stop(self, account: str) -> None:
        """End an account."""

    def send_text(self, outgoing: Outgoing) -> Outcome:
        """Send a text; every channel can."""
        raise NotImplementedError

    def send_media(self, outgoing: Outgoing) -> Outcome:
        """Send files, with a text if there is one."""
        return self._cannot("send files")

    def send_poll(self, outgoing: Outgoing, poll: Poll) -> Outcome:
        """Ask a question with options."""
        return self._cannot("send polls")

    def edit(self, outgoing: Outgoing) -> Outcome:
        """Change a message that was sent."""
        return self._cannot("edit messages")

    def delete(self, outgoing: Outgoing) -> Outcome:
        """Take a message back."""
        return self._cannot("delete messages")

    def react(self, outgoing: Outgoing) -> Outcome:
        """React to a message; the text is the reaction."""
        return self._cannot("react to messages")

    def look_up(self, outgoing: Outgoing) -> str | None:
        """The id of a message that may have arrived, if it has."""

    def typing(self, target: Target, *, is_on: bool) -> None:
        """Show that the assistant is typing."""

    def resolve(self, account: str, text: str) -> str:
        """A target as people write it, as the service's own id; as it is unless overridden."""
        return text

    def directory(self, account: str, query: str, limit: int) -> list[Person]:
        """People and groups that match."""
        return []

    def probe(self, account: str) -> dict[str, Any]:
        """Whether the service takes our credentials; gives what it says about the account.

        Raises:
            PluginError: If it does not.
        """
        return {}

    def login(self, account: str, answer: dict[str, Any]) -> LoginStep:
        """The next step of signing in, after what the person gave."""
        return LoginStep("done", f"{self.label} needs no sign-in.")

    def _cannot(self, what: str) -> Dead:
        return Dead(PluginError("not-supported", f"{self.label} cannot {what}."))


_Class = TypeVar("_Class", bound=Channel)
_registered: list[Channel] = []


def channel(decorated: type[_Class]) -> type[_Class]:
    """Make a class the plugin's channel.

    Raises:
        ValueError: If there is one already.
    """
    if _registered:
        raise ValueError("a plugin has one channel")
    _registered.append(decorated())
    return decorated


def call(function: str, *arguments: Any) -> Any:
    """One function of the contract's interface `channel`, with plain values.

    Raises:
        PluginError: If the plugin has no channel, or what the channel raised.
    """
    if not _registered:
        raise PluginError("not-found", "This plugin has no channel.")
    return _CALLS[function](_registered[0], *arguments)


def _outgoing(wire: dict[str, Any]) -> Outgoing:
    members: dict[str, Any] = {**wire, "target": Target(**wire["target"])}
    return Outgoing(**members)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Delivered):
        return {"tag": "delivered", "value": outcome.message_id}
    tag = {RetryAfter: "retry-after", Dead: "dead", Unknown: "unknown"}[type(outcome)]
    return {"tag": tag, "value": outcome.error.to_wire()}


def _send(name: str) -> Callable[..., Any]:
    """The sends differ in nothing but what the channel does."""

    def send(it: Channel, wire: dict[str, Any]) -> dict[str, Any]:
        return _outcome(getattr(it, name)(_outgoing(wire)))

    return send


def _describe(it: Channel) -> dict[str, Any]:
    return {
        "id": it.id,
        "label": it.label,
        "aliases": list(it.aliases),
        "order": it.order,
        "max_text": it.max_text,
        "unit": it.unit,
        "chat_types": list(it.chat_types),
        "features": list(it.features),
    }


def _start(it: Channel, account: str, settings: str) -> None:
    it.start(account, json.loads(settings))


def _send_poll(it: Channel, wire: dict[str, Any], poll: dict[str, Any]) -> dict[str, Any]:
    return _outcome(it.send_poll(_outgoing(wire), Poll(**poll)))


def _look_up(it: Channel, wire: dict[str, Any]) -> str | None:
    return it.look_up(_outgoing(wire))


def _typing(it: Channel, target: dict[str, Any], is_on: bool) -> None:  # noqa: FBT001 - the contract's
    it.typing(Target(**target), is_on=is_on)


def _directory(it: Channel, account: str, query: str, limit: int) -> list[dict[str, Any]]:
    found = it.directory(account, query, limit)
    return [{"id": each.id, "name": each.name, "chat_type": each.chat_type} for each in found]


def _probe(it: Channel, account: str) -> str:
    return json.dumps(it.probe(account))


def _login(it: Channel, account: str, answer: str) -> dict[str, Any]:
    step = it.login(account, json.loads(answer) if answer else {})
    return {"kind": step.kind, "text": step.text, "data": step.data}


def _plain(name: str) -> Callable[..., Any]:
    """What takes and gives plain values as it is."""

    def call(it: Channel, *arguments: Any) -> Any:
        return getattr(it, name)(*arguments)

    return call


_CALLS: dict[str, Callable[..., Any]] = {
    "describe": _describe,
    "start": _start,
    "stop": _plain("stop"),
    "send_text": _send("send_text"),
    "send_media": _send("send_media"),
    "send_poll": _send_poll,
    "edit": _send("edit"),
    "delete": _send("delete"),
    "react": _send("react"),
    "look_up": _look_up,
    "typing": _typing,
    "resolve": _plain("resolve"),
    "directory": _directory,
    "probe": _probe,
    "login": _login,
}
