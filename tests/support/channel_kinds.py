"""The channels that the conformance suite asks; a new one is added to `KINDS`."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from carapace.channels.builtin import webhook
from carapace.channels.builtin.webchat import WebchatChannel
from carapace.channels.builtin.webhook import WebhookChannel
from carapace.channels.types import (
    Dead,
    InboundMessage,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    Unknown,
)
from carapace.errors import Failed, Refused
from carapace.triggers.channel_webhooks import ChannelWebhooks
from support.channel_claims import EVERYTHING, Claims
from support.channel_under_test import Answer, BadSettings, ChannelUnderTest, Rig, Seen, Trouble
from support.egress import make_egress
from support.plugin_channel import PluginChannelUnderTest
from support.recording_channel import RECORDING_INFO, RecordingChannel, Step
from support.webhook_receiver import Post, Reply, WebhookReceiver
from support.webhooks import KernelRig, kernel_rig
from support.zalo_channel import ZaloPollingUnderTest, ZaloUnderTest

__all__ = ["KINDS", "every", "every_trouble"]

_EVERY_KIND = frozenset(OutgoingKind)
_STALL_S = 0.05


def _seen(outgoing: Outgoing) -> Seen:
    return Seen(
        text=outgoing.text,
        conversation=outgoing.target.conversation,
        key=outgoing.idempotency_key,
        kind=outgoing.kind,
        thread=outgoing.target.thread_id,
        reply_to=outgoing.reply_to,
        about=outgoing.about_message_id,
        media=outgoing.media,
        options=outgoing.poll.options if outgoing.poll else (),
        is_marked=outgoing.may_be_repeat,
    )


# ---- in memory ----

_RECORDED = {
    Trouble.REJECTS: Step(Dead(reason="no such room")),
    Trouble.FORBIDS: Step(Dead(reason="the token is not good")),
    Trouble.TOO_MANY: Step(RetryAfter(reason="too many")),
    Trouble.TOO_MANY_FOR_9_S: Step(RetryAfter(reason="too many", after_s=9.0)),
    Trouble.UNAVAILABLE: Step(RetryAfter(reason="unavailable")),
    Trouble.BREAKS: Step(Unknown(reason="it broke")),
    Trouble.RESETS: Step(Unknown(reason="the line was cut"), arrives=True),
    Trouble.SILENT: Step(),
}


class _RecordingRig:
    def __init__(self, account: str) -> None:
        self.channel = RecordingChannel(RECORDING_INFO, required=("token",))
        self.settings = {"token": "recording-token-0123456789"}
        self.secrets = ["recording-token-0123456789"]
        self.bad_settings = [BadSettings({}, "token"), BadSettings({"token": ""}, "token")]
        self._name = account

    @property
    def _account(self):
        return self.channel.accounts[self._name]

    async def happen(self, message: InboundMessage) -> Answer:
        if self._account.is_closed:
            return Answer.GONE
        try:
            return Answer((await self._account.deliver(message)).status.value)
        except Failed:
            return Answer.LATER
        except Refused as refused:
            return Answer.LATER if refused.retryable else Answer.REFUSED

    async def forge(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    async def stage(self, trouble: Trouble) -> None:
        if trouble is Trouble.SILENT:
            self._account.hold()
        self._account.script(_RECORDED[trouble])

    async def calm(self) -> None:
        self._account.release()

    def seen(self) -> list[Seen]:
        return [_seen(one) for one in self._account.seen]

    async def attempted(self, count: int) -> None:
        await self._account.sent_at_least(count)


class RecordingUnderTest:
    """The channel in memory that other tests rely on."""

    name: ClassVar[str] = "recording"
    way: ClassVar[str] = ""
    account: ClassVar[str] = "default"
    receives: ClassVar[bool] = True
    authenticates: ClassVar[bool] = False
    sends: ClassVar[frozenset[OutgoingKind]] = _EVERY_KIND
    marks_repeats: ClassVar[bool] = True
    drops_repeats: ClassVar[bool] = False
    troubles: ClassVar[frozenset[Trouble]] = frozenset(_RECORDED)
    claims: ClassVar[Claims] = EVERYTHING

    @asynccontextmanager
    async def rig(self, folder: Path) -> AsyncGenerator[Rig]:
        yield _RecordingRig(self.account)


# ---- the gateway's own chat ----

_CHAT = {
    Trouble.REJECTS: Refused("There is no such session."),
    Trouble.TOO_MANY: Refused("Too many wait.", retryable=True),
    Trouble.TOO_MANY_FOR_9_S: Refused("Too many wait.", retryable=True, retry_after_ms=9_000),
    Trouble.UNAVAILABLE: Failed("The disk is full.", retryable=True),
    Trouble.BREAKS: Failed("The commit did not report back."),
}


class _WebchatRig:
    def __init__(self) -> None:
        self.channel = WebchatChannel(self._show)
        self.settings: dict[str, Any] = {}
        self.secrets: list[str] = []
        self.bad_settings = [BadSettings({"token": "x"}, "token")]
        self._shown: dict[str, Outgoing] = {}
        self._errors: list[Exception] = []
        self._free = asyncio.Event()
        self._free.set()
        self._attempts = 0
        self._changed = asyncio.Condition()

    async def _show(self, outgoing: Outgoing) -> str:
        self._attempts += 1
        async with self._changed:
            self._changed.notify_all()
        await self._free.wait()
        if self._errors:
            raise self._errors.pop()
        self._shown.setdefault(outgoing.idempotency_key, outgoing)
        return f"m-{list(self._shown).index(outgoing.idempotency_key)}"

    async def happen(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    async def forge(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    async def stage(self, trouble: Trouble) -> None:
        if trouble is Trouble.SILENT:
            self._free.clear()
        else:
            self._errors.append(_CHAT[trouble])

    async def calm(self) -> None:
        self._free.set()

    def seen(self) -> list[Seen]:
        return [_seen(one) for one in self._shown.values()]

    async def attempted(self, count: int) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: self._attempts >= count)


class WebchatUnderTest:
    """The gateway's own chat; its clients write over the WebSocket."""

    name: ClassVar[str] = "webchat"
    way: ClassVar[str] = ""
    account: ClassVar[str] = "default"
    receives: ClassVar[bool] = False
    authenticates: ClassVar[bool] = False
    sends: ClassVar[frozenset[OutgoingKind]] = frozenset({OutgoingKind.MESSAGE})
    marks_repeats: ClassVar[bool] = False
    drops_repeats: ClassVar[bool] = True
    troubles: ClassVar[frozenset[Trouble]] = frozenset(_CHAT) | {Trouble.SILENT}
    claims: ClassVar[Claims] = EVERYTHING

    @asynccontextmanager
    async def rig(self, folder: Path) -> AsyncGenerator[Rig]:
        yield _WebchatRig()


# ---- the webhook for scripts ----

_SECRET = "inbound-secret-0123456789abcdef"
_CALLBACK_SECRET = "callback-secret-0123456789abcdef"
_OK = b'{"id": "scripted"}'
_REPLIES = {
    Trouble.REJECTS: Reply(404),
    Trouble.FORBIDS: Reply(401),
    Trouble.TOO_MANY: Reply(429),
    Trouble.TOO_MANY_FOR_9_S: Reply(429, {"Retry-After": "9"}),
    # The rig's clock stands at the first moment of 2026.
    Trouble.TOO_MANY_UNTIL_A_DATE: Reply(429, {"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}),
    Trouble.TOO_MANY_IN_NONSENSE: Reply(429, {"Retry-After": "soon"}),
    Trouble.UNAVAILABLE: Reply(503),
    Trouble.BREAKS: Reply(500),
    Trouble.RESETS: Reply(manner="reset"),
    Trouble.RESETS_UNREAD: Reply(manner="reset-unread"),
    Trouble.TALKS_GARBAGE: Reply(manner="garbage"),
    Trouble.CUTS_ANSWER: Reply(body=_OK, manner="partial"),
    Trouble.STALLS_ANSWER: Reply(body=_OK, manner="stall"),
    Trouble.ANSWERS_NONSENSE: Reply(body=b"\xff\x00<html>"),
    Trouble.ANSWERS_MUCH: Reply(body=b"x" * 1_000_000),
    Trouble.SILENT: Reply(manner="hang"),
    Trouble.KNOWS_KEY: Reply(409),
}


def _body_of(message: InboundMessage) -> bytes:
    """What a script sends for it."""
    where, quote = message.conversation, message.quote
    value: dict[str, Any] = {
        "id": message.message_id,
        "kind": message.kind.value,
        "text": message.text,
        "sender": {
            "id": message.sender.id,
            "name": message.sender.display_name,
            "isBot": message.sender.is_bot,
        },
        "conversation": {
            "id": where.id,
            "type": where.chat_type.value,
            "thread": where.thread_id,
            "space": where.space_id,
            "label": where.label,
        },
        "about": message.about_message_id,
        "sentAtMs": message.sent_at_ms,
        "mentionsUs": message.mentions_us,
        "quote": None
        if quote is None
        else {"id": quote.message_id, "senderId": quote.sender_id, "text": quote.text},
        "media": [
            {
                "url": one.url,
                "contentType": one.content_type,
                "sizeBytes": one.size_bytes,
                "filename": one.filename,
            }
            for one in message.media
        ],
        "data": dict(message.data),
    }
    return json.dumps(value).encode()


class _WebhookRig:
    def __init__(
        self, kernel: KernelRig, receiver: WebhookReceiver, channel: WebhookChannel, path: str
    ) -> None:
        self.channel = channel
        self.settings = {
            "secret": _SECRET,
            "callbackUrl": receiver.url,
            "callbackSecret": _CALLBACK_SECRET,
        }
        self.secrets = [_SECRET, _CALLBACK_SECRET, "url-token"]
        self.bad_settings = [
            BadSettings({}, "secret"),
            BadSettings({"secret": ""}, "secret"),
            BadSettings({"secret": "short"}, "secret"),
            BadSettings({"secret": 7}, "secret"),
            BadSettings({**self.settings, "callbackUrl": "http://a.example/"}, "https"),
            BadSettings({**self.settings, "callbackUrl": "nonsense"}, "callbackUrl"),
            BadSettings({**self.settings, "callbackSecret": "x"}, "callbackSecret"),
            BadSettings({**self.settings, "surprise": 1}, "surprise"),
        ]
        self._kernel = kernel
        self._receiver = receiver
        self._path = path

    async def happen(self, message: InboundMessage) -> Answer:
        await self._kernel.clock.advance(1)  # no two requests are signed alike
        return await self._post(message, _SECRET)

    async def forge(self, message: InboundMessage) -> Answer:
        return await self._post(message, "a-secret-that-somebody-guessed")

    async def _post(self, message: InboundMessage, secret: str) -> Answer:
        answer = await self._kernel.signed(_body_of(message), self._path, secret=secret)
        if answer.status in {404, 503}:
            return Answer.GONE if answer.status == 404 else Answer.LATER
        if answer.status in {400, 401}:
            return Answer.REFUSED
        return Answer(json.loads(answer.body)["status"])

    async def stage(self, trouble: Trouble) -> None:
        if trouble is Trouble.DOWN:
            await self._receiver.stop()
            return
        reply = _REPLIES[trouble]
        if trouble is Trouble.KNOWS_KEY:
            reply = dataclasses.replace(reply, headers={"Idempotency-Key": "key-1"})
        self._receiver.script(reply)

    async def calm(self) -> None:
        """Each reply is for one request only."""

    def seen(self) -> list[Seen]:
        return [_seen_post(post) for post in self._receiver.posts]

    async def attempted(self, count: int) -> None:
        await self._receiver.posted(count)


def _seen_post(post: Post) -> Seen:
    value = post.json
    assert post.headers["idempotency-key"] == value["idempotencyKey"]
    return Seen(
        text=value["text"],
        conversation=value["conversation"]["id"],
        key=value["idempotencyKey"],
        kind=OutgoingKind(value["kind"]),
        thread=value["conversation"]["thread"],
        reply_to=value["replyTo"],
        about=value["about"],
        media=tuple(one["id"] for one in value["media"]),
        options=tuple(value["poll"]["options"]) if "poll" in value else (),
        is_marked=value["mayBeRepeat"],
    )


class WebhookUnderTest:
    """The webhook for scripts, through the real kernel and the real way out."""

    name: ClassVar[str] = "webhook"
    way: ClassVar[str] = ""
    account: ClassVar[str] = "default"
    receives: ClassVar[bool] = True
    authenticates: ClassVar[bool] = True
    sends: ClassVar[frozenset[OutgoingKind]] = _EVERY_KIND
    marks_repeats: ClassVar[bool] = True
    drops_repeats: ClassVar[bool] = False
    troubles: ClassVar[frozenset[Trouble]] = frozenset(_REPLIES) | {Trouble.DOWN}
    claims: ClassVar[Claims] = EVERYTHING

    @asynccontextmanager
    async def rig(self, folder: Path) -> AsyncGenerator[Rig]:
        receiver = WebhookReceiver()
        await receiver.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(webhook, "_BODY_TIMEOUT_S", _STALL_S)
            async with kernel_rig() as kernel:
                egress, trail = make_egress(folder)
                channel = WebhookChannel(ChannelWebhooks(kernel.kernel), egress, clock=kernel.clock)
                yield _WebhookRig(kernel, receiver, channel, f"/channels/webhook/{self.account}")
                trail.audit.close()
        await receiver.stop()


KINDS: Sequence[ChannelUnderTest] = (
    RecordingUnderTest(),
    WebchatUnderTest(),
    WebhookUnderTest(),
    PluginChannelUnderTest(),
    ZaloUnderTest(),
    ZaloPollingUnderTest(),
)


def every(**wanted: Any) -> pytest.MarkDecorator:
    """Ask every channel whose class attributes are as `wanted`."""
    kinds = [
        kind
        for kind in KINDS
        if all(getattr(kind, name) == value for name, value in wanted.items())
    ]
    return pytest.mark.parametrize("kind", kinds, ids=[_id(kind) for kind in kinds])


def every_trouble(*troubles: Trouble) -> pytest.MarkDecorator:
    """Ask every channel about each of these troubles that its service can have."""
    pairs = [
        pytest.param(kind, trouble, id=f"{_id(kind)}-{trouble.name.lower()}")
        for kind in KINDS
        for trouble in (troubles or Trouble)
        if trouble in kind.troubles
    ]
    return pytest.mark.parametrize(("kind", "trouble"), pairs)


def _id(kind: ChannelUnderTest) -> str:
    return f"{kind.name} by {kind.way}" if kind.way else kind.name
