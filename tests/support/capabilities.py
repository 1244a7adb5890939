"""What a capability needs of the house, small and real where it can be.

Database, media store, egress and clock are the real ones (or the fake clock); the service of
the plugin, the status board, the inbox and the agent are these recorders.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from carapace.app.plugin_media import PluginMedia
from carapace.clock import SystemClock
from carapace.config.secret import Secret
from carapace.config.settings.media import LinkSettings
from carapace.ids import RunId
from carapace.media.fetch import MediaFetcher
from carapace.media.links import MediaLinks
from carapace.net.client import Egress
from carapace.plugins.capabilities.inbound_wire import InboundEvent, InboundStatus
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.outbound.wire import Request
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.errors import GuestError
from carapace.plugins.package.permissions import parse_http
from carapace.provenance import Provenance
from support.egress import AuditTrail, NameTable, make_egress, serving
from support.media import MediaHouse, media_house

__all__ = [
    "EVENT",
    "NO_PROXIES",
    "HeldConfig",
    "HeldSecrets",
    "OutboundRig",
    "RecordingAgent",
    "RecordingBoard",
    "RecordingEvents",
    "RecordingInbox",
    "code_of",
    "eventually",
    "outbound_rig",
    "plain_request",
    "plugin_media",
    "request",
    "secret_use",
]

EVENT: dict[str, Any] = {
    "account": "default",
    "message_id": "1",
    "kind": "message",
    "conversation_id": "c",
    "chat_type": "direct",
    "thread_id": None,
    "space_id": None,
    "label": None,
    "sender_id": "s",
    "sender_name": None,
    "sender_is_bot": False,
    "text": "hello",
    "sent_at_ms": 1_700_000_000_000.0,
    "mentions_us": False,
    "quote_id": None,
    "quote_sender_id": None,
    "quote_text": None,
    "about_message_id": None,
    "attachments": [],
}
"""An inbound message as it travels."""

NO_PROXIES = AccountProxies(dict, where="channels.demo")


class HeldConfig:
    """Satisfies `PluginConfig`; `value` may be changed at any time."""

    def __init__(self, value: Mapping[str, Any] | None = None) -> None:
        self.value = dict(value or {})

    def settings(self) -> Mapping[str, Any]:
        return self.value


class HeldSecrets:
    """Satisfies `SecretHolder`."""

    def __init__(self, **values: str) -> None:
        self.values = {name.replace("__", "/"): value for name, value in values.items()}

    def names(self) -> tuple[str, ...]:
        return tuple(self.values)

    def secret(self, name: str) -> Secret | None:
        value = self.values.get(name)
        return None if value is None else Secret(value)


class RecordingEvents:
    """A service that notes what it is brought, and may refuse it.

    Attributes:
        brought: Kind, name, and the rest, in order.
        trouble: Raised by the next calls, one each; None takes it.
    """

    def __init__(self) -> None:
        self.brought: list[tuple[Any, ...]] = []
        self.trouble: list[Exception | None] = []
        self.during: Callable[[tuple[Any, ...]], Any] | None = None
        self._news = asyncio.Event()

    async def on_timer(self, name: str, payload: str) -> None:
        await self._take("timer", name, payload)

    async def on_poll(self, name: str, answer: Mapping[str, Any], payload: str) -> None:
        await self._take("poll", name, answer, payload)

    async def on_websocket(self, name: str, event: Mapping[str, Any]) -> None:
        await self._take("websocket", name, event)

    async def _take(self, *what: Any) -> None:
        if self.during is not None:
            await self.during(what)
        trouble = self.trouble.pop(0) if self.trouble else None
        self.brought.append(what if trouble is None else ("refused", *what))
        self._news.set()
        if trouble is not None:
            raise trouble

    async def count(self, n: int) -> list[tuple[Any, ...]]:
        """What was brought, once it is at least `n` things."""
        async with asyncio.timeout(10):
            while len(self.brought) < n:
                self._news.clear()
                await self._news.wait()
        return self.brought


class RecordingBoard:
    """Satisfies `StatusBoard`."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, str, str]] = []

    def set(self, plugin_id: str, account: str, *, state: str, detail: str) -> None:
        self.shown.append((plugin_id, account, state, detail))


class RecordingInbox:
    """Satisfies `InboundDoor`: the same message again is a duplicate."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str, str], InboundEvent] = {}
        self.trouble: Exception | None = None

    async def deliver(self, plugin_id: str, event: InboundEvent) -> InboundStatus:
        if self.trouble is not None:
            raise self.trouble
        key = (plugin_id, event.account, event.message_id)
        if key in self.events:
            return "duplicate"
        self.events[key] = event
        return "accepted"


class RecordingAgent:
    """Satisfies `TurnStarter`."""

    def __init__(self) -> None:
        self.turns: dict[str, tuple[str, str, Provenance]] = {}

    async def start(
        self, session_key: str, text: str, *, idempotency_key: str, provenance: Provenance
    ) -> RunId:
        self.turns.setdefault(idempotency_key, (session_key, text, provenance))
        return RunId(f"run of {idempotency_key}")


@asynccontextmanager
async def plugin_media(
    folder: Path, egress: Egress, **settings: Any
) -> AsyncGenerator[tuple[PluginMedia, MediaHouse]]:
    """The real media store behind the plugins' door."""
    async with media_house(folder / "media", **settings) as house:
        fetcher = MediaFetcher(
            egress,
            house.store,
            clock=SystemClock(),
            audit=house.trail.audit,
            metrics=house.metrics,
        )
        links = MediaLinks(
            house.database,
            settings=LinkSettings(public_url="https://assistant.example"),
            clock=house.clock,
        )
        yield PluginMedia(house.store, fetcher, links), house


class OutboundRig:
    """A plugin that may ask one small server on loopback.

    Attributes:
        requester: Sends its requests.
        url: Of the server, without a slash at the end.
        house: Its media store, if the test asked for one.
    """

    def __init__(
        self,
        egress: Egress,
        trail: AuditTrail,
        port: int,
        media: tuple[PluginMedia, MediaHouse] | None,
    ) -> None:
        self.egress, self.trail = egress, trail
        self.url = f"http://127.0.0.1:{port}"
        self._media = media
        self.secrets = HeldSecrets(token="hunter2-hunter2")
        self.rules = OutboundRules(
            plugin_id="demo",
            manifest=(),
            operator=(parse_http(f"GET,HEAD,POST {self.url}/**"),),
        )
        self.granted = PluginSecrets(frozenset({"token"}), self.secrets)
        self.requester = Requester(
            self.rules,
            self.granted,
            egress,
            proxies=NO_PROXIES,
            media=None if media is None else media[0],
        )

    @property
    def door(self) -> PluginMedia:
        assert self._media is not None
        return self._media[0]

    @property
    def house(self) -> MediaHouse:
        assert self._media is not None
        return self._media[1]

    async def send(self, path: str, **more: Any):
        return await self.requester.send(request(self.url + path, **more))


@asynccontextmanager
async def outbound_rig(
    folder: Path, *routes: web.AbstractRouteDef, with_media: bool = False
) -> AsyncGenerator[OutboundRig]:
    async with serving(*routes) as port, AsyncExitStack() as stack:
        egress, trail = make_egress(folder / "net", names=NameTable())
        media = None
        if with_media:
            media = await stack.enter_async_context(plugin_media(folder, egress))
        rig = OutboundRig(egress, trail, port, media)
        stack.push_async_callback(rig.requester.aclose)
        yield rig


def secret_use(kind: str, where: str, *, name: str = "token", template: str | None = None) -> Any:
    """A `secret-use` as it travels."""
    return {"name": name, "place": {"tag": kind, "value": where}, "template": template}


def request(url: str, **more: Any) -> Any:
    """A typed request; `text`, `base64` or `media` is its body."""
    return msgspec.convert(plain_request(url, **more), Request)


def plain_request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    secrets: tuple[Any, ...] = (),
    timeout_ms: int = 5_000,
    want: str = "text",
    **body: str,
) -> dict[str, Any]:
    """A request as it travels."""
    tag, value = next(iter(body.items()), ("empty", None))
    return {
        "method": method,
        "url": url,
        "headers": [{"name": name, "value": value} for name, value in (headers or {}).items()],
        "body": {"tag": tag, "value": value},
        "secrets": list(secrets),
        "timeout_ms": timeout_ms,
        "want": want,
    }


async def eventually(check: Callable[[], Awaitable[bool]], *, deadline_s: float = 10.0) -> None:
    """Return as soon as `check` is true; database threads give no event to wait for."""
    async with asyncio.timeout(deadline_s):
        while not await check():  # noqa: ASYNC110 - as said above
            await asyncio.sleep(0.001)


async def code_of(call: Any) -> str:
    """The code of the error that a call gives."""
    try:
        value = await call
    except GuestError as error:
        return error.code
    raise AssertionError(f"no error, but {value!r}")
