"""One request through the guard: URL rules, redirects by hand, a capped body.

The thin layer between httpx2 (what callers and model SDKs use) and httpcore2 (what opens
connections through `GuardedBackend`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import httpcore2
import httpx2

from carapace.net.limits import ACCEPT_ENCODING, LimitedStream
from carapace.net.policy import EgressPolicy
from carapace.net.redirects import REDIRECT_STATUSES, next_request
from carapace.net.refused import EgressRefused
from carapace.net.url import InvalidUrl, parse_url

__all__ = ["GuardedTransport"]

_FAILED_STATUS_NO_BODY = frozenset([204, 304])


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests of one caller.

    Args:
        policy: Its rules.
        pool: Connections; its network backend is the gate.
        on_refused: Told of every refusal before it is raised.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        pool: httpcore2.AsyncConnectionPool,
        on_refused: Callable[[EgressRefused], None],
    ) -> None:
        self._policy = policy
        self._pool = pool
        self._on_refused = on_refused

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The response to `request`, after its redirects.

        The response's extension `final_url` is the address that answered.

        Raises:
            httpx2.ConnectError: Refused (an `EgressRefused` is its cause) or unreachable.
            httpx2.TimeoutException: A deadline of the policy passed.
        """
        total_s = self._policy.total_timeout_s
        deadline = None if total_s is None else asyncio.get_running_loop().time() + total_s
        try:
            async with asyncio.timeout_at(deadline):
                return await self._follow(request, deadline)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("no answer within the deadline", request=request) from error
        except EgressRefused as refused:
            self._on_refused(refused)
            raise httpx2.ConnectError(str(refused), request=request) from refused

    async def _follow(self, request: httpx2.Request, deadline: float | None) -> httpx2.Response:
        hops = 0
        while True:
            response = await self._send(request, deadline)
            location = response.headers.get("location")
            if response.status_code not in REDIRECT_STATUSES or location is None:
                return response
            try:
                following = next_request(
                    request,
                    response.status_code,
                    location,
                    hops=hops,
                    max_redirects=self._policy.max_redirects,
                )
            except EgressRefused:
                await response.aclose()
                raise
            if following is None:
                return response
            await response.aclose()
            request, hops = following, hops + 1

    async def _send(self, request: httpx2.Request, deadline: float | None) -> httpx2.Response:
        self._check(request)
        if request.headers.get("accept-encoding") != "identity":
            # Only codings that `limits` can inflate under its cap; SDKs ask for more.
            request.headers["accept-encoding"] = ACCEPT_ENCODING
        with _httpx_errors(request):
            raw = await self._pool.handle_async_request(_to_core(request))
        response = httpx2.Response(
            raw.status,
            headers=raw.headers,
            stream=_BodyStream(raw, request),
            extensions={**cast("dict[str, Any]", raw.extensions), "final_url": str(request.url)},
        )
        try:
            return self._limited(response, request, deadline)
        except httpx2.DecodingError:
            await response.aclose()
            raise

    def _check(self, request: httpx2.Request) -> None:
        try:
            endpoint = parse_url(str(request.url))
        except InvalidUrl as error:
            raise EgressRefused(request.url.host, request.url.port or 0, str(error)) from error
        if (reason := self._policy.refuse_url(endpoint, method=request.method)) is not None:
            raise EgressRefused(endpoint.host, endpoint.port, reason)

    def _limited(
        self, response: httpx2.Response, request: httpx2.Request, deadline: float | None
    ) -> httpx2.Response:
        has_body = request.method != "HEAD" and response.status_code not in _FAILED_STATUS_NO_BODY
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if has_body and coding != "identity":
            # The body arrives inflated, so these two no longer describe it.
            del response.headers["content-encoding"]
            response.headers.pop("content-length", None)
        response.stream = LimitedStream(
            cast("httpx2.AsyncByteStream", response.stream),
            coding=coding if has_body else "identity",
            max_wire_bytes=self._policy.max_wire_bytes,
            max_decoded_bytes=self._policy.max_decoded_bytes,
            deadline=deadline,
        )
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def _to_core(request: httpx2.Request) -> httpcore2.Request:
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=cast("httpx2.AsyncByteStream", request.stream),
        extensions=request.extensions,
    )


class _BodyStream(httpx2.AsyncByteStream):
    """A body of httpcore2 with httpx2's errors."""

    def __init__(self, raw: httpcore2.Response, request: httpx2.Request) -> None:
        self._raw = raw
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors(self._request):
            async for piece in self._raw.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        with _httpx_errors(self._request):
            await self._raw.aclose()


@contextmanager
def _httpx_errors(request: httpx2.Request) -> Generator[None]:
    """httpcore2's errors under the httpx2 name that callers know; both libraries name alike."""
    try:
        yield
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.UnsupportedProtocol,
    ) as error:
        kind = cast("type[httpx2.RequestError]", getattr(httpx2, type(error).__name__))
        raise kind(str(error), request=request) from error
    except ssl.SSLError as error:  # garbage amid TLS; the library lets it through as it is
        raise httpx2.ReadError(str(error), request=request) from error
