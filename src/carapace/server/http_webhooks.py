"""Brings requests for webhook paths to the kernel, and its answers back.

All decisions are the kernel's. Here a body is read piece by piece and no further than the kernel
allows, and the client's address is what the trusted proxies vouch for, never a header alone.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from carapace.auth.types import Origin
from carapace.triggers.webhook_types import ReadBody, RequestHead, TooLong, WebhookAnswer
from carapace.triggers.webhooks import WebhookKernel

__all__ = ["WebhookCatch"]


class WebhookCatch:
    """Takes every request whose path the kernel owns; for `GatewayServer.catch`.

    Args:
        kernel: Answers.
        origin_of: Where a request comes from.
    """

    def __init__(
        self, kernel: WebhookKernel, *, origin_of: Callable[[web.BaseRequest], Origin]
    ) -> None:
        self._kernel = kernel
        self._origin_of = origin_of

    def owns(self, request: web.BaseRequest) -> bool:
        """Whether the request is a webhook; routes come and go while requests come in."""
        return self._kernel.owns(_path(request))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer it."""
        head = RequestHead(
            method=request.method,
            path=_path(request),
            query=request.rel_url.raw_query_string,
            headers=_headers(request),
            client_ip=self._origin_of(request).client_ip,
            content_length=request.content_length,
        )
        return _response(await self._kernel.handle(head, _reader(request)))


def _path(request: web.BaseRequest) -> str:
    """As it was sent: `%77ake` is not `wake`, and `//` is not `/`."""
    return request.rel_url.raw_path


def _headers(request: web.BaseRequest) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        found[lower] = (*found.get(lower, ()), value)
    return found


def _reader(request: web.Request) -> ReadBody:
    async def read(max_bytes: int) -> bytes:
        body = bytearray()
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > max_bytes:
                raise TooLong(f"the body is longer than {max_bytes} bytes")
        return bytes(body)

    return read


def _response(answer: WebhookAnswer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=answer.body, headers=headers)
