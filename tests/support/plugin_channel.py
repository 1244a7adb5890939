"""A plugin's channel whose guest is written in Python, and the service behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from carapace.channels.plugin.channel import PluginChannel
from carapace.channels.types import InboundMessage, OutgoingKind
from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.inbound_wire import InboundEvent
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from support.channel_claims import EVERYTHING, Claims
from support.channel_under_test import Answer, BadSettings, Seen, Trouble
from support.scripted_host import ScriptedHost, guest_of

__all__ = ["ABOUT", "PluginChannelUnderTest", "event", "given", "scripted_channel"]

_TOKEN = "parrot-token-0123456789"
ABOUT: dict[str, Any] = {
    "id": "parrot",
    "label": "Parrot",
    "aliases": ["polly"],
    "order": 70,
    "max_text": 2_000,
    "unit": "utf16",
    "chat_types": ["direct", "group", "channel"],
    "features": ["look-up", "edit", "delete", "react", "typing", "media", "polls", "markdown"],
}


def event(**more: Any) -> InboundEvent:
    """Something that happened, as a guest hands it in."""
    values: dict[str, Any] = {
        "account": "default",
        "message_id": "1",
        "kind": "message",
        "conversation_id": "room",
        "chat_type": "direct",
        "thread_id": None,
        "space_id": None,
        "label": None,
        "sender_id": "alice",
        "sender_name": None,
        "sender_is_bot": False,
        "text": "hello",
        "sent_at_ms": None,
        "mentions_us": False,
        "quote_id": None,
        "quote_sender_id": None,
        "quote_text": None,
        "about_message_id": None,
        "attachments": [],
        **more,
    }
    return msgspec.convert(values, InboundEvent)


def given(message: InboundMessage) -> InboundEvent:
    """As a guest hands it in."""
    where, quote = message.conversation, message.quote
    return event(
        account=message.account,
        message_id=message.message_id,
        kind=message.kind.value,
        conversation_id=where.id,
        chat_type=where.chat_type.value,
        thread_id=where.thread_id,
        space_id=where.space_id,
        label=where.label,
        sender_id=message.sender.id,
        sender_name=message.sender.display_name,
        sender_is_bot=message.sender.is_bot,
        text=message.text,
        sent_at_ms=None if message.sent_at_ms is None else float(message.sent_at_ms),
        mentions_us=message.mentions_us,
        quote_id=quote and quote.message_id,
        quote_sender_id=quote and quote.sender_id,
        quote_text=quote and quote.text,
        about_message_id=message.about_message_id,
        attachments=[
            {
                "url": one.url,
                "handle": one.media_id,
                "content_type": one.content_type,
                "filename": one.filename,
            }
            for one in message.media
        ],
    )


def _error(message: str, retry_after_ms: int | None = None) -> dict[str, Any]:
    return {
        "code": "service",
        "message": message,
        "retryable": retry_after_ms is not None,
        "retry_after_ms": retry_after_ms,
    }


def _raise(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


_ANSWERS: dict[Trouble, Callable[[], Any]] = {
    Trouble.REJECTS: lambda: {"tag": "dead", "value": _error("no such room")},
    Trouble.FORBIDS: _raise(GuestError("forbidden", "the token is not good")),
    Trouble.TOO_MANY: lambda: {"tag": "retry-after", "value": _error("too many")},
    Trouble.TOO_MANY_FOR_9_S: _raise(
        GuestError("too-many", "too many", retryable=True, retry_after_ms=9_000)
    ),
    Trouble.TOO_MANY_UNTIL_A_DATE: lambda: {
        "tag": "retry-after",
        "value": _error("too many", 30_000),
    },
    Trouble.TOO_MANY_IN_NONSENSE: lambda: {"tag": "retry-after", "value": _error("come back soon")},
    Trouble.UNAVAILABLE: _raise(GuestError("unavailable", "it is not there", retryable=True)),
    Trouble.BREAKS: _raise(GuestTrap("crash", "unreachable")),
    Trouble.RESETS: lambda: {"tag": "unknown", "value": _error("the line was cut")},
    Trouble.TALKS_GARBAGE: lambda: {"tag": "delivered", "value": {"id": 7}},
    Trouble.ANSWERS_NONSENSE: lambda: 7,
    Trouble.ANSWERS_MUCH: lambda: {"tag": "unknown", "value": _error("x" * 1_000_000)},
    Trouble.DOWN: _raise(PluginUnavailable("its worker does not start")),
}
_KINDS = {
    "edit": OutgoingKind.EDIT,
    "delete": OutgoingKind.DELETE,
    "react": OutgoingKind.REACTION,
    "send-poll": OutgoingKind.POLL,
}


class _Rig:
    """The guest and its service in one."""

    def __init__(self) -> None:
        self.host = ScriptedHost()
        self.settings = {"botToken": _TOKEN, "name": "Polly"}
        self.secrets = [_TOKEN]
        self.bad_settings = [
            BadSettings({}, "botToken"),
            BadSettings({"botToken": _TOKEN, "surprise": 1}, "surprise"),
        ]
        self.channel: PluginChannel
        self._seen: list[Seen] = []
        self._ids: dict[str, str] = {}
        self._answer: Callable[[], Any] | None = None
        self._free = asyncio.Event()
        self._free.set()
        for name in ("send-text", "send-media", *_KINDS):
            self.host.script(f"channel.{name}", self._send(_KINDS.get(name, OutgoingKind.MESSAGE)))
        self.host.script("channel.describe", lambda: ABOUT)
        self.host.script("channel.start", self._start)
        self.host.script("channel.stop", lambda account: None)
        self.host.script("channel.typing", lambda target, is_on: None)
        self.host.script("channel.look-up", lambda sent: self._ids.get(sent["idempotency_key"]))

    def _start(self, account: str, settings: str) -> None:
        told = json.loads(settings)
        if told.get("botToken") != f"{account}/botToken":
            raise GuestError("settings", "botToken is missing: set it")
        if unknown := told.keys() - {"botToken", "name"}:
            raise GuestError("settings", f"there is no setting {unknown.pop()}")

    def _send(self, kind: OutgoingKind) -> Callable[..., Any]:
        async def send(outgoing: dict[str, Any], *polls: dict[str, Any]) -> Any:
            await self._free.wait()
            answer, self._answer = self._answer, None
            if answer is not None:
                return answer()
            key, target = outgoing["idempotency_key"], outgoing["target"]
            self._seen.append(
                Seen(
                    text=outgoing["text"],
                    conversation=target["conversation_id"],
                    key=key,
                    kind=kind,
                    thread=target["thread_id"],
                    reply_to=outgoing["reply_to"],
                    about=outgoing["about_message_id"],
                    media=tuple(outgoing["media"]),
                    options=tuple(one for poll in polls for one in poll["options"]),
                    is_marked=outgoing["may_be_repeat"],
                )
            )
            self._ids.setdefault(key, f"m-{len(self._seen)}")
            return {"tag": "delivered", "value": self._ids[key]}

        return send

    async def happen(self, message: InboundMessage) -> Answer:
        try:
            return Answer((await self.channel.receive(given(message))).status.value)
        except Failed:
            return Answer.LATER
        except Refused as refused:
            if refused.code == "UNAVAILABLE":
                return Answer.GONE
            return Answer.LATER if refused.retryable else Answer.REFUSED

    async def forge(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    async def stage(self, trouble: Trouble) -> None:
        if trouble is Trouble.SILENT:
            self._free.clear()
        else:
            self._answer = _ANSWERS[trouble]

    async def calm(self) -> None:
        self._free.set()
        self._answer = None

    def seen(self) -> list[Seen]:
        return list(self._seen)

    async def attempted(self, count: int) -> None:
        await self.host.called("channel", "send-text", count)


@asynccontextmanager
async def scripted_channel() -> AsyncGenerator[_Rig]:
    """A plugin's channel, its guest scripted."""
    rig = _Rig()
    guest = guest_of(rig.host, "parrot")
    rig.channel = await PluginChannel.describe(guest, credentials=frozenset({"botToken"}))
    yield rig


class PluginChannelUnderTest:
    """What lies between the house and a guest; guests of their own join with their own kinds."""

    name: ClassVar[str] = "parrot"
    way: ClassVar[str] = ""
    account: ClassVar[str] = "default"
    receives: ClassVar[bool] = True
    authenticates: ClassVar[bool] = False
    sends: ClassVar[frozenset[OutgoingKind]] = frozenset(OutgoingKind)
    marks_repeats: ClassVar[bool] = True
    drops_repeats: ClassVar[bool] = False
    troubles: ClassVar[frozenset[Trouble]] = frozenset(_ANSWERS) | {Trouble.SILENT}
    claims: ClassVar[Claims] = EVERYTHING

    @asynccontextmanager
    async def rig(self, folder: Path) -> AsyncGenerator[_Rig]:
        async with scripted_channel() as rig:
            yield rig
