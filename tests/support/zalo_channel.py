"""The Zalo plugin as a channel under test: its own modules, natively, and a server of the Bot API.

Between them and the house lies what lies between the house and any guest. Messages come in by
webhook, and once more by asking for them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from carapace.channels.plugin.channel import PluginChannel
from carapace.channels.types import ChatType, EventKind, InboundMessage, OutgoingKind
from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.inbound_wire import InboundEvent
from carapace.plugins.errors import GuestError
from support.channel_claims import Claims
from support.channel_under_test import Answer, BadSettings, Rig, Seen, Trouble
from support.plugin_channel import event
from support.scripted_host import ScriptedHost, guest_of
from support.zalo_house import WEBHOOK_SECRET, ZaloHouse
from support.zalo_server import BOT_NAME, Scripted, ZaloServer

# The house above lets these be found.
from carapace_zalo.plugin import Plugin  # isort: skip
from carapace_zalo.ports import Message, PortError, Ports  # isort: skip
from carapace_zalo.sending import (  # isort: skip
    MAX_TEXT,
    REPEAT_NOTE,
    NotDelivered,
    Outcome,
    Outgoing,
)
from carapace_zalo.webhook import SECRET_HEADER, Post  # isort: skip

__all__ = ["ABOUT", "ZaloPollingUnderTest", "ZaloUnderTest"]

_URL = "https://gateway.example/plugins/zalo/webhook"
_WEBHOOK = {"webhookSecret": WEBHOOK_SECRET, "webhookUrl": _URL}
_CREDENTIALS = frozenset({"botToken", "webhookSecret"})
ABOUT: dict[str, Any] = {
    "id": "zalo",
    "label": "Zalo",
    "aliases": ["zl"],
    "order": 80,
    "max_text": MAX_TEXT,
    "unit": "utf16",
    "chat_types": ["direct", "group"],
    "features": ["typing", "media"],
}
"""As `plugins/zalo/app.py` describes it, which only a component can import."""
_ANSWERS = {
    Trouble.REJECTS: Scripted.error(400, "chat not found"),
    Trouble.FORBIDS: Scripted.error(401, "Unauthorized"),
    Trouble.TOO_MANY: Scripted.error(429, "Too Many Requests"),
    Trouble.TOO_MANY_FOR_9_S: Scripted.error(429, "Too Many Requests", Retry_After="9"),
    Trouble.TOO_MANY_IN_NONSENSE: Scripted.error(429, "Too Many Requests", Retry_After="soon"),
    Trouble.UNAVAILABLE: Scripted.error(503, "Service Unavailable"),
    Trouble.BREAKS: Scripted.error(500, "Internal Server Error"),
    Trouble.RESETS: Scripted(manner="reset"),
    Trouble.CUTS_ANSWER: Scripted(body=b'{"ok": true', manner="cut"),
    Trouble.ANSWERS_NONSENSE: Scripted(body=b"<html>", manner="late"),
    Trouble.ANSWERS_MUCH: Scripted(body=b"x" * 1_000_000, manner="late"),
    Trouble.SILENT: Scripted(manner="hang"),
}


@dataclass
class _House(ZaloHouse):
    """Knows the secrets that the account was given, and hands messages on."""

    given: frozenset[str] = frozenset()
    on_message: Callable[[Message], str] | None = None

    def secret(self, name: str) -> str:
        if name not in self.given:
            raise PortError("not-configured", f"there is no secret {name}")
        return super().secret(name)

    @property
    def ports(self) -> Ports:
        return dataclasses.replace(super().ports, secrets=self)

    def names(self) -> Sequence[str]:
        """Those that there are."""
        return sorted(self.given)

    def verify(self, name: str, presented: str) -> bool:
        """Whether this is it."""
        return presented == self.secret(name)

    def deliver(self, message: Message) -> str:
        assert self.on_message is not None
        return self.on_message(message)


class _Rig:
    """The guest runs in threads, as it runs in a process of its own: it waits for its calls.

    Args:
        zalo: The service.
        accounts: Names of those that may run.
        more: Settings beside those that every account needs.
    """

    def __init__(self, zalo: ZaloServer, accounts: Sequence[str], **more: str) -> None:
        self.host = ScriptedHost()
        self.settings: dict[str, Any] = {"botToken": zalo.token, "apiUrl": zalo.url, **more}
        self.secrets = [zalo.token]
        self.bad_settings = self._bad_settings()
        self.channel: PluginChannel
        self._zalo = zalo
        self._house = _House(
            zalo.url, zalo.token, accounts=tuple(accounts), on_message=self._delivered
        )
        self._loop = asyncio.get_running_loop()
        self._statuses: list[str] = []
        self._keys: dict[str, str] = {}
        scripts: dict[str, Callable[..., Any]] = {
            "describe": lambda: ABOUT,
            "start": self._start,
            "stop": lambda account: self._guest(lambda one: one.stop(account)),
            "typing": self._typing,
            "send-text": lambda sent: self._send(sent, lambda one: one.sending.text),
            "send-media": lambda sent: self._send(sent, lambda one: one.sending.photos),
        }
        for name, script in scripts.items():
            self.host.script(f"channel.{name}", script)

    def _bad_settings(self) -> list[BadSettings]:
        without = {key: self.settings[key] for key in self.settings if key != "webhookSecret"}
        return [
            BadSettings({}, "botToken"),
            BadSettings({**without, "webhookUrl": _URL}, "webhookSecret"),
            BadSettings({**self.settings, "surprise": 1}, "surprise"),
            BadSettings({**self.settings, "tokenFile": "/etc/token"}, "reads no files"),
            BadSettings({**self.settings, **_WEBHOOK, "webhookUrl": "http://a.example/"}, "https"),
            BadSettings({**self.settings, **_WEBHOOK, "webhookUrl": f"{_URL}/"}, "slash"),
            BadSettings({**self.settings, "apiUrl": "ftp://a.example"}, "apiUrl"),
        ]

    # ---- what the house asks of the guest ----

    async def _guest(self, work: Callable[[Plugin], Any]) -> Any:
        """Let a fresh instance do it."""
        try:
            return await asyncio.to_thread(work, self._house.plugin)
        except PortError as error:
            raise GuestError(
                error.code,
                error.message,
                retryable=error.retryable,
                retry_after_ms=error.retry_after_ms,
            ) from error

    async def _start(self, account: str, settings: str) -> None:
        told: dict[str, Any] = json.loads(settings)
        handles = (told.get(name) for name in _CREDENTIALS)
        self._house.given = frozenset(one for one in handles if one is not None)
        await self._guest(lambda one: one.start(account, settings))

    async def _typing(self, target: Mapping[str, Any], is_on: bool) -> None:
        if is_on:
            account, where = target["account"], target["conversation_id"]
            await self._guest(lambda one: one.sending.typing(account, where))

    async def _send(
        self, sent: Mapping[str, Any], door: Callable[[Plugin], Callable[[Outgoing], Outcome]]
    ) -> dict[str, Any]:
        outgoing = Outgoing(
            account=sent["target"]["account"],
            conversation_id=sent["target"]["conversation_id"],
            text=sent["text"],
            media=tuple(sent["media"]),
            idempotency_key=sent["idempotency_key"],
            may_be_repeat=sent["may_be_repeat"],
        )
        self._house.files |= dict.fromkeys(outgoing.media, "image/png")
        outcome: Outcome = await self._guest(lambda one: door(one)(outgoing))
        if isinstance(outcome, NotDelivered):
            error = outcome.error
            value = {
                "code": error.code,
                "message": error.message,
                "retryable": error.retryable,
                "retry_after_ms": error.retry_after_ms,
            }
            return {"tag": outcome.kind, "value": value}
        if outcome.message_id is not None:
            self._keys[outcome.message_id] = outgoing.idempotency_key
        return {"tag": "delivered", "value": outcome.message_id}

    # ---- what happens at Zalo ----

    async def happen(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    async def forge(self, message: InboundMessage) -> Answer:
        raise NotImplementedError

    def _delivered(self, message: Message) -> str:
        """In the guest's thread; the house is in the loop's."""
        handed_in = self.channel.receive(_handed_in(message))
        try:
            receipt = asyncio.run_coroutine_threadsafe(handed_in, self._loop).result(10)
        except Failed as failed:
            raise PortError("unavailable", failed.message, retryable=True) from failed
        except Refused as refused:
            retryable = bool(refused.retryable)
            raise PortError("refused", refused.message, retryable=retryable) from refused
        self._statuses.append(receipt.status.value)
        return receipt.status.value

    async def stage(self, trouble: Trouble) -> None:
        if trouble is Trouble.DOWN:
            await asyncio.to_thread(self._zalo.stop)
        else:
            self._zalo.script("sendMessage", _ANSWERS[trouble])

    async def calm(self) -> None:
        self._zalo.calm()

    def seen(self) -> list[Seen]:
        return [self._seen(name, one.fields) for name, one in self._zalo.shown.items()]

    def _seen(self, message_id: str, fields: Mapping[str, Any]) -> Seen:
        """Zalo is not told the key: it is the one of the send that was answered with this id."""
        text = str(fields.get("text") or fields.get("caption") or "")
        rest = text.removeprefix(f"{REPEAT_NOTE}\n")
        photo = fields.get("photo")
        return Seen(
            text=rest,
            conversation=fields["chat_id"],
            key=self._keys.get(message_id, ""),
            media=() if photo is None else (_handle(photo),),
            is_marked=rest != text,
        )

    async def attempted(self, count: int) -> None:
        await asyncio.to_thread(self._zalo.await_calls, "sendMessage", count)


class _WebhookRig(_Rig):
    """Zalo posts to us."""

    def __init__(self, zalo: ZaloServer, accounts: Sequence[str]) -> None:
        super().__init__(zalo, accounts, **_WEBHOOK)
        self.secrets.append(WEBHOOK_SECRET)

    async def happen(self, message: InboundMessage) -> Answer:
        return await self._post(message, WEBHOOK_SECRET)

    async def forge(self, message: InboundMessage) -> Answer:
        return await self._post(message, "a-secret-that-somebody-guessed")

    async def _post(self, message: InboundMessage, secret: str) -> Answer:
        post = Post(
            method="POST",
            path=urlsplit(_URL).path,
            headers={"content-type": "application/json", SECRET_HEADER: secret},
            body=json.dumps(_update(message)),
        )
        self._statuses.clear()
        reply = await self._guest(lambda one: one.handle(post))
        if reply.status == 200:
            return Answer(self._statuses[0]) if self._statuses else Answer.DROPPED
        known = {400: Answer.REFUSED, 401: Answer.REFUSED, 404: Answer.GONE, 500: Answer.LATER}
        return known[reply.status]


class _PollingRig(_Rig):
    """We ask Zalo; the held request and the alarm are the gateway's, and here the test's.

    Zalo tells of a message once. What the house did not take comes again from the plugin's own
    store, when the alarm rings.
    """

    def __init__(self, zalo: ZaloServer, accounts: Sequence[str]) -> None:
        super().__init__(zalo, accounts)
        self._account = accounts[0]

    async def happen(self, message: InboundMessage) -> Answer:
        house, n_lines = self._house, len(self._house.lines)
        self._statuses.clear()
        if f"resume/{self._account}" in house.alarms:
            await asyncio.to_thread(house.ring, self._account)
        if not self._statuses:
            if f"updates/{self._account}" not in house.polls:
                return Answer.GONE
            self._zalo.update(_update(message))
            await asyncio.to_thread(house.poll, self._account)
        if self._statuses:
            return Answer(self._statuses[0])
        if any(key.startswith(f"waiting/{self._account}/") for key in house.store):
            return Answer.LATER
        # Nobody else is there to be told that it makes no sense.
        is_refused = any(level == "error" for level, _ in house.lines[n_lines:])
        return Answer.REFUSED if is_refused else Answer.DROPPED


def _update(message: InboundMessage) -> dict[str, Any]:
    """As Zalo tells of it, with what it has no field for left out."""
    where, sender = message.conversation, message.sender
    chat_type = "PRIVATE" if where.chat_type is ChatType.DIRECT else where.chat_type.upper()
    value: dict[str, Any] = {
        "message_id": message.message_id,
        "from": {"id": sender.id, "display_name": sender.display_name, "is_bot": sender.is_bot},
        "chat": {"id": where.id, "chat_type": chat_type},
    }
    if message.sent_at_ms is not None:
        value["date"] = message.sent_at_ms
    if message.kind is not EventKind.MESSAGE:
        name = f"message.{message.kind.value}.received"
    elif message.media:
        name = "message.image.received"
        value |= {"photo_url": message.media[0].url, "caption": message.text}
    else:
        name = "message.text.received"
        value["text"] = message.text
    return {"event_name": name, "message": value}


def _handed_in(message: Message) -> InboundEvent:
    """As `plugins/zalo/app.py` does."""
    photos = [] if message.photo_url is None else [message.photo_url]
    return event(
        account=message.account,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        chat_type="group" if message.is_group else "direct",
        sender_id=message.sender_id,
        sender_name=message.sender_name,
        sender_is_bot=message.sender_is_bot,
        text=message.text,
        sent_at_ms=message.sent_at_ms,
        mentions_us=message.mentions_us,
        attachments=[
            {"url": url, "handle": None, "content_type": "image/*", "filename": None}
            for url in photos
        ],
    )


def _handle(link: str) -> str:
    """Which file a link of the house's is for."""
    return link.rpartition("/")[2].rpartition("-")[0]


class ZaloUnderTest:
    """Zalo's Bot API, by webhook."""

    name: ClassVar[str] = "zalo"
    way: ClassVar[str] = "webhook"
    account: ClassVar[str] = "default"
    receives: ClassVar[bool] = True
    authenticates: ClassVar[bool] = True
    sends: ClassVar[frozenset[OutgoingKind]] = frozenset({OutgoingKind.MESSAGE})
    marks_repeats: ClassVar[bool] = True
    drops_repeats: ClassVar[bool] = False
    troubles: ClassVar[frozenset[Trouble]] = frozenset(_ANSWERS) | {Trouble.DOWN}
    claims: ClassVar[Claims] = Claims(
        threads=False,
        replies=False,
        labels=False,
        empty_texts=False,
        any_id=False,
        keys=False,
        event_kinds=frozenset({EventKind.MESSAGE}),
        chat_types=frozenset({ChatType.DIRECT, ChatType.GROUP}),
        files_in=1,
        files_described=False,
        files_type="image/*",
        files_together=False,
        mention=f"@{BOT_NAME}",
    )

    _rig: ClassVar[Callable[[ZaloServer, Sequence[str]], _Rig]] = _WebhookRig

    @asynccontextmanager
    async def rig(self, folder: Path) -> AsyncGenerator[Rig]:
        with ZaloServer() as zalo:
            rig = type(self)._rig(zalo, (self.account,))
            guest = guest_of(rig.host, self.name)
            rig.channel = await PluginChannel.describe(guest, credentials=_CREDENTIALS)
            yield rig


class ZaloPollingUnderTest(ZaloUnderTest):
    """The same, asked for what is new; whoever answers there is the service."""

    way: ClassVar[str] = "polling"
    authenticates: ClassVar[bool] = False
    _rig: ClassVar[Callable[[ZaloServer, Sequence[str]], _Rig]] = _PollingRig
