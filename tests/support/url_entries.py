"""Every public entry of the gateway that takes a URL, driven the same way.

A module of `src` that makes an `EgressCaller` stands here with what drives it;
`tests/security/test_hostile_urls.py` fails for one that does not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from aiohttp import web
from msgspec.structs import replace

from carapace.agent.mcp.connection import McpConnection
from carapace.agent.mcp.transport import http_streams
from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.tools.web.fetch import WebFetchParams, WebFetchTool
from carapace.agent.tools.web.search import WebSearchParams, WebSearchTool
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.links import LinkReader
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.weights.index import Index
from carapace.agent.weights.library import Library
from carapace.agent.weights.partial import Partial
from carapace.agent.weights.progress import Meter
from carapace.agent.weights.pull import Puller
from carapace.agent.weights.sources import Hub, Mirror
from carapace.channels.builtin.webhook import WebhookChannel
from carapace.channels.types import Outgoing, Target
from carapace.config.settings.mcp import McpServer
from carapace.config.settings.understanding import LinkReading
from carapace.config.settings.web_tools import WebFetch, WebSearch
from carapace.errors import GatewayError
from carapace.media.fetch import MediaFetcher
from carapace.net.allow import AllowRule, HostPattern
from carapace.net.policy import EgressCaller
from carapace.net.url import InvalidUrl, as_http_url, parse_url
from carapace.net.websocket import HandshakeFailed
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.capabilities.websocket import WebSocketCapability
from carapace.plugins.package.sources import Sources, parse_source
from support.capabilities import NO_PROXIES, HeldSecrets, RecordingEvents, request
from support.clock import FakeClock
from support.media import media_house
from support.public_web import PublicWeb
from support.weights import tiny_weights

__all__ = ["ENTRIES", "REFUSALS", "UrlEntry"]

REFUSALS = (
    httpx2.HTTPError,
    GatewayError,
    NotUnderstood,
    HandshakeFailed,
    ToolTrouble,
    ValueError,
)
"""What an entry may raise for a URL; anything else is a defect of the entry."""

Open = Callable[[str], Awaitable[Any]]
Drive = Callable[[PublicWeb, Path], AbstractAsyncContextManager[Open]]


@dataclass(frozen=True, slots=True)
class UrlEntry:
    """One entry.

    Attributes:
        name: For the test's id.
        module: File below `src/carapace` that makes the `EgressCaller`; None for `net` itself.
        drive: Gives a function that hands a URL to the entry as its real callers do.
        takes_http: Whether it opens clear-text addresses of public hosts.
        takes_links: Whether a text without a scheme is a link on a page to it.
        ways: Further files that it goes out through.
    """

    name: str
    module: str | None
    drive: Drive
    takes_http: bool = False
    takes_links: bool = False
    ways: frozenset[str] = frozenset()


@asynccontextmanager
async def _http(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def get(url: str) -> None:
        async with internet.egress.http_client(EgressCaller("test")) as client:
            await client.get(url)

    yield get


@asynccontextmanager
async def _websocket(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def connect(url: str) -> None:
        async with await internet.egress.websocket(EgressCaller("test"), url):
            pass

    yield connect


@asynccontextmanager
async def _media(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async with media_house(folder) as house:
        fetcher = MediaFetcher(
            internet.egress,
            house.store,
            clock=house.clock,
            audit=house.trail.audit,
            metrics=house.metrics,
        )
        yield fetcher.fetch


@asynccontextmanager
async def _links(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    reader = LinkReader(internet.egress, ChildReader())
    yield lambda url: reader.read(url, LinkReading())


@asynccontextmanager
async def _web_fetch(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    tool = WebFetchTool(
        WebFetch, lambda hosts: LinkReader(internet.egress, ChildReader(), hosts=hosts)
    )
    context: Any = _ToolContext()
    yield lambda url: tool.fetch(context, WebFetchParams(url))


@asynccontextmanager
async def _web_search(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def search(url: str) -> None:
        settings = WebSearch(provider="searxng", base_url=url, allow_private=False)
        tool = WebSearchTool(
            lambda: settings, internet.egress, variables=dict, add_secret=lambda _secret: None
        )
        context: Any = _ToolContext()
        await tool.search(context, WebSearchParams("q"))

    yield search


class _ToolContext:
    """All of a tool's context that these tools look at."""

    clock = FakeClock()
    is_direct = False


@asynccontextmanager
async def _webhook(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    channel: Any = WebhookChannel(_NoDoor(), internet.egress, clock=FakeClock())

    async def post(url: str) -> None:
        settings = {"callbackUrl": url, "callbackSecret": "s" * 32, "allowPrivate": False}
        account = await channel.open("default", settings, None)
        try:
            await account.send(
                Outgoing(
                    target=Target(channel="webhook", account="default", conversation="c"),
                    idempotency_key="k",
                    text="hello",
                )
            )
        finally:
            await account.aclose()

    yield post


class _NoDoor:
    """Nothing comes in here: the accounts have no secret to listen with."""

    def open(self, account: str, secret: str, handle: Any) -> Callable[[], None]:
        raise AssertionError("an account without a secret listens")


@asynccontextmanager
async def _provider(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    make = provider_clients(internet.egress)

    async def ask(url: str) -> None:
        spec = ProviderSpec("x", Api.OPENAI_COMPLETIONS, base_url=url, allow_private=False)
        async with make(spec) as client:
            await client.get(url)

    yield ask


@asynccontextmanager
async def _model_url(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    puller = Puller(Library(folder / "models"), internet.egress, (), clock=FakeClock())

    async def pull(url: str) -> None:
        if "://" not in url:  # that is the path of a file to this entry
            raise ValueError("no URL")
        await puller.pull(url, lambda _progress: None)

    yield pull


@asynccontextmanager
async def _hub(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    weights = tiny_weights()

    async def fill(url: str) -> None:
        if url.startswith("http://"):  # the manifest has https alone; tests use loopback
            raise ValueError("not https")
        meter = Meter(lambda _progress: None, clock=FakeClock(), total_bytes=None)
        await Hub(internet.egress).fill(
            replace(weights, hub_url=url), Partial(folder / "hub"), meter
        )

    yield fill


@asynccontextmanager
async def _index_file(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    """A public index that names the file's address; the index itself is the operator's word."""
    weights = tiny_weights()
    part = weights.parts[0]
    named: list[str] = []

    async def page(request: web.Request) -> web.Response:
        files = [{"filename": part.filename, "url": named[-1], "hashes": {}}]
        return web.json_response(
            {"files": files}, content_type="application/vnd.pypi.simple.v1+json"
        )

    async def find() -> Index:
        return Index("https://index.test", "test")

    await internet.host("index.test", web.get("/{project}/", page))

    async def fill(url: str) -> None:
        named.append(url)
        meter = Meter(lambda _progress: None, clock=FakeClock(), total_bytes=None)
        try:
            await Mirror(internet.egress, find).fill(weights, Partial(folder / "m"), meter)
        finally:
            del internet.dialled[0]  # the index's own page

    yield fill


@asynccontextmanager
async def _mcp(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def nothing(_listing: Any) -> None:
        raise AssertionError("a web page is no MCP server")

    async def connect(url: str) -> None:
        settings = McpServer(url=url, allow_private=False)
        connection = McpConnection(
            "x",
            settings,
            lambda _lost: http_streams("x", settings, internet.egress),
            on_tools=nothing,
            clock=FakeClock(),
        )
        raise ValueError(await connection._once())

    yield connect


def _widest(url: str) -> OutboundRules:
    """Rules of a plugin whose manifest names just the host of that URL, as far as it has one."""
    try:
        endpoint = parse_url(as_http_url(url))
    except InvalidUrl:
        return OutboundRules(plugin_id="x", manifest=())
    rule = AllowRule(endpoint.scheme, HostPattern(endpoint.host), endpoint.port)
    return OutboundRules(plugin_id="x", manifest=(rule,))


@asynccontextmanager
async def _plugin_http(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def fetch(url: str) -> None:
        requester = Requester(
            _widest(url), _no_secrets(), internet.egress, proxies=NO_PROXIES, media=None
        )
        try:
            await requester.send(request(url))
        finally:
            await requester.aclose()

    yield fetch


@asynccontextmanager
async def _plugin_websocket(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    async def connect(url: str) -> None:
        events = RecordingEvents()
        sockets = WebSocketCapability(
            _widest(url),
            _no_secrets(),
            internet.egress,
            proxies=NO_PROXIES,
            clock=FakeClock(),
            events=events,
        )
        try:
            await sockets.call("open", ["s", url, [], []])
            await events.count(1)
        finally:
            await sockets.aclose()

    yield connect


@asynccontextmanager
async def _plugin_package(internet: PublicWeb, folder: Path) -> AsyncGenerator[Open]:
    sources = Sources(internet.egress, lambda: None)

    async def fetch(url: str) -> None:
        await sources.fetch(parse_source(url))

    yield fetch


def _no_secrets() -> PluginSecrets:
    return PluginSecrets(frozenset(), HeldSecrets())


ENTRIES = (
    UrlEntry("net.http", None, _http, takes_http=True),
    UrlEntry("net.websocket", None, _websocket, takes_http=True),
    UrlEntry("media", "media/fetch.py", _media),
    UrlEntry("links", "agent/understanding/links.py", _links, takes_http=True),
    UrlEntry(
        "web_fetch",
        "agent/understanding/links.py",
        _web_fetch,
        takes_http=True,
        ways=frozenset({"agent/tools/web/fetch.py"}),
    ),
    UrlEntry("mcp", "agent/mcp/transport.py", _mcp),
    UrlEntry("web_search", "agent/tools/web/search.py", _web_search),
    UrlEntry("webhook", "channels/builtin/webhook.py", _webhook),
    UrlEntry("provider", "agent/providers/egress.py", _provider),
    UrlEntry(
        "plugin.http",
        "plugins/capabilities/outbound/rules.py",
        _plugin_http,
        takes_http=True,
        ways=frozenset({"plugins/capabilities/outbound/requester.py"}),
    ),
    UrlEntry(
        "plugin.websocket",
        "plugins/capabilities/outbound/rules.py",
        _plugin_websocket,
        takes_http=True,
        ways=frozenset({"plugins/capabilities/websocket.py"}),
    ),
    UrlEntry("plugin.package", "plugins/package/sources.py", _plugin_package),
    UrlEntry("weights.url", "agent/weights/pull.py", _model_url),
    UrlEntry("weights.hub", "agent/weights/sources.py", _hub),
    UrlEntry("weights.index", "agent/weights/sources.py", _index_file, takes_links=True),
)
