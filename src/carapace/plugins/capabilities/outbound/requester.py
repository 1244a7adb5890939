"""One request of a plugin from its words to its answer.

The order matters: secrets are put in, then the finished URL is checked against the rules, then
it is sent, then every part of the answer is searched for secrets. Errors are worded here: those
of a library may hold the whole URL.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

import httpx2

from carapace.errors import Failed, Refused
from carapace.net.client import Egress
from carapace.net.limits import BodyTooLarge
from carapace.net.refused import refusal_of
from carapace.plugins.capabilities.codes import Code, guest_error, of_gateway_error
from carapace.plugins.capabilities.outbound.clients import Clients, Way
from carapace.plugins.capabilities.outbound.placement import PlacedRequest, place
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.capabilities.outbound.redaction import SecretScrubber, StreamScrubber
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.outbound.wire import (
    Base64,
    Body,
    Empty,
    Header,
    Media,
    Request,
    Response,
    Text,
    Want,
)
from carapace.plugins.capabilities.ports import MediaDoor
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.errors import GuestError

__all__ = ["MAX_ANSWER_BYTES", "MAX_TIMEOUT_S", "Requester"]

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""Cap of a body that goes into the plugin's memory."""
MAX_TIMEOUT_S: Final = 300.0
"""The longest that a request may be held."""

_MAX_MEDIA_BYTES: Final = 128 * 1024 * 1024
_MAX_REDIRECTS: Final = 5
_MAX_HEADER_BYTES: Final = 64 * 1024


class Requester:
    """Sends the requests of one plugin.

    Args:
        rules: What it may reach.
        secrets: What it may have put in.
        egress: The way out.
        proxies: Of the plugin's accounts.
        media: For bodies by reference; None if that is not granted.
    """

    def __init__(
        self,
        rules: OutboundRules,
        secrets: PluginSecrets,
        egress: Egress,
        *,
        proxies: AccountProxies,
        media: MediaDoor | None,
    ) -> None:
        self._rules = rules
        self._secrets = secrets
        self._egress = egress
        self._proxies = proxies
        self._media = media
        self._clients = Clients(self._client)

    def check(self, request: Request) -> PlacedRequest:
        """The request as it would be sent now.

        Raises:
            GuestError: If it may not be sent, or makes no sense.
        """
        placed = place(
            request.method,
            request.url,
            request.headers,
            body=request.body,
            secrets=request.secrets,
            reveal=self._secrets.reveal,
        )
        self._rules.check(placed.method, placed.url, has_secrets=placed.has_secrets)
        if placed.media is not None or request.want == "media":
            self._door()
        return placed

    async def send(self, request: Request) -> Response:
        """The answer to `request`, without secrets.

        A GET or HEAD is redirected at most five times, each time under the same rules; to
        another origin its headers stay behind. A request with a secret in its URL or body is
        never redirected.

        Raises:
            GuestError: If there is none.
        """
        placed = self.check(request)
        host = self._rules.check(placed.method, placed.url, has_secrets=placed.has_secrets)
        proxy = self._proxies.of(one.name for one in request.secrets)
        way = Way(proxy, follows=placed.only_headers)
        timeout_s = min(request.timeout_ms / 1000, MAX_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(placed, way, request.want)
        except TimeoutError:
            raise guest_error(
                Code.TIMEOUT, f"{host} did not answer within {timeout_s:g} s"
            ) from None
        except httpx2.InvalidURL:
            raise guest_error(Code.INVALID_ARGUMENT, "the URL cannot be used") from None
        except httpx2.HTTPError as error:
            # Not chained: the library's error holds the request, and with it the secrets.
            raise _translated(error, host) from None
        except (Refused, Failed) as error:  # of the media store
            raise of_gateway_error(error) from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._clients.aclose()

    async def _exchange(self, placed: PlacedRequest, way: Way, want: Want) -> Response:
        async with AsyncExitStack() as stack:
            headers = list(placed.headers)
            content: bytes | AsyncGenerator[bytes] | None = placed.content
            if placed.media is not None:
                file, content = await stack.enter_async_context(self._door().open(placed.media))
                headers.append(("Content-Length", str(file.size_bytes)))
            client = await stack.enter_async_context(self._clients.use(way))
            response = await stack.enter_async_context(
                client.stream(placed.method, placed.url, headers=headers, content=content)
            )
            scrubber = self._secrets.scrubber()
            return Response(
                status=response.status_code,
                headers=_headers(response, scrubber),
                body=await self._body(response, want, scrubber),
            )

    async def _body(self, response: httpx2.Response, want: Want, scrubber: SecretScrubber) -> Body:
        if want == "nothing":
            return Empty()
        if want == "media":
            return await self._stored(response, scrubber)
        data = await _read(response, scrubber)
        if want == "base64":
            return Base64(base64.b64encode(data).decode())
        try:
            return Text(data.decode())
        except UnicodeDecodeError:
            raise guest_error(
                Code.BAD_ANSWER, "the answer is not UTF-8: ask for it as base64 or media"
            ) from None

    async def _stored(self, response: httpx2.Response, scrubber: SecretScrubber) -> Body:
        async with aclosing(_scrubbed(response, scrubber)) as pieces:
            first = await anext(pieces, b"")
            if not first:
                return Empty()
            async with aclosing(_again(first, pieces)) as whole:
                file = await self._door().put(
                    whole, max_bytes=None, source=f"plugin:{self._rules.plugin_id}"
                )
        return Media(file.handle)

    def _client(self, way: Way) -> httpx2.AsyncClient:
        caller = self._rules.caller(
            max_bytes=_MAX_MEDIA_BYTES,
            max_redirects=_MAX_REDIRECTS if way.follows else 0,
            total_s=MAX_TIMEOUT_S,
            proxy=way.proxy,
        )
        return self._egress.http_client(caller)

    def _door(self) -> MediaDoor:
        if self._media is None:
            raise guest_error(
                Code.NOT_GRANTED, "this plugin may not use the media store: its manifest lacks it"
            )
        return self._media


async def _read(response: httpx2.Response, scrubber: SecretScrubber) -> bytes:
    """The body without secrets; searched piece by piece, so that the loop has its turns."""
    size, clean = 0, bytearray()
    stream = StreamScrubber(scrubber)
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise BodyTooLarge("longer than a plugin can take")
        clean += stream.feed(piece)
    return bytes(clean + stream.finish())


async def _scrubbed(response: httpx2.Response, scrubber: SecretScrubber) -> AsyncGenerator[bytes]:
    stream = StreamScrubber(scrubber)
    async for piece in response.aiter_raw():
        if clean := stream.feed(piece):
            yield clean
    if rest := stream.finish():
        yield rest


async def _again(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _headers(response: httpx2.Response, scrubber: SecretScrubber) -> tuple[Header, ...]:
    found: list[Header] = []
    size = 0
    for name, value in response.headers.multi_items():
        size += len(name) + len(value)
        if size > _MAX_HEADER_BYTES:
            raise guest_error(
                Code.TOO_LARGE, f"the answer's headers are longer than {_MAX_HEADER_BYTES} bytes"
            )
        found.append(Header(scrubber.text(name), scrubber.text(value)))
    return tuple(found)


def _translated(error: httpx2.HTTPError, host: str) -> GuestError:
    if (refusal := refusal_of(error)) is not None:
        return guest_error(Code.REFUSED, f"{refusal.host} was not asked: {refusal.reason}")
    if isinstance(error, BodyTooLarge):
        return guest_error(
            Code.TOO_LARGE,
            f"the answer of {host} is longer than it may be: ask for it as media, or for less",
        )
    if isinstance(error, httpx2.TimeoutException):
        return guest_error(Code.TIMEOUT, f"{host} did not answer in time")
    if isinstance(error, httpx2.DecodingError | httpx2.ProtocolError):
        return guest_error(Code.BAD_ANSWER, f"{host} answered something that is not HTTP")
    return guest_error(Code.UNREACHABLE, f"{host} could not be reached, or broke off")
