"""What a plugin asks to be set up, and what its channel can tell: `plugins.setup.*` and others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "ChannelAccount",
    "ChannelDirectory",
    "ChannelLogin",
    "ChannelPeople",
    "ChannelPerson",
    "ChannelProbed",
    "ChannelResolve",
    "ChannelResolved",
    "LoginStep",
    "SetupAnswers",
    "SetupDone",
    "SetupQuestion",
    "SetupQuestions",
    "SetupWanted",
]

_Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{1,31}$(?!\n)")]
_Account = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$(?!\n)")]
_Text = Annotated[str, Meta(max_length=1_024)]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""

    id: _Id
    account_id: _Account = "default"


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class SetupWanted(_In):
    """Params of `plugins.setup.questions`."""


class SetupQuestion(_Out):
    """One question; the answer of a `secret` is never shown again."""

    key: str
    label: str
    help: str
    kind: Literal["text", "secret", "choice", "yes-no"]
    choices: list[str]
    required: bool


class SetupQuestions(_Out):
    """What to ask, in this order."""

    questions: list[SetupQuestion]


class SetupAnswers(_In):
    """Params of `plugins.setup.apply`: an answer for each question's key."""

    answers: Annotated[dict[str, Any], Meta(max_length=64)] = {}


class SetupDone(_Out):
    """The keys of the configuration that were written."""

    ok: bool
    keys: list[str]


class ChannelAccount(_In):
    """Params of `plugins.channel.probe`."""


class ChannelProbed(_Out):
    """What the service says about the account there."""

    account: dict[str, Any]


class ChannelLogin(_In):
    """Params of `plugins.channel.login`: what the person gave at the last step."""

    answer: Annotated[dict[str, Any], Meta(max_length=64)] = {}


class LoginStep(_Out):
    """What to show or ask next; `done` ends it."""

    kind: Literal["form", "qr", "link", "wait", "done"]
    text: str
    data: str


class ChannelResolve(_In):
    """Params of `plugins.channel.resolve`: a target as people write it."""

    text: _Text = ""


class ChannelResolved(_Out):
    """The service's own id of it."""

    target: str


class ChannelDirectory(_In):
    """Params of `plugins.channel.directory`: whom to look for."""

    query: _Text = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ChannelPerson(_Out):
    """Somebody, or a group."""

    id: str
    chat_type: Literal["direct", "group", "channel"]
    name: str | None = None


class ChannelPeople(_Out):
    """Whom the service knows."""

    people: list[ChannelPerson]
