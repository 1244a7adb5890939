"""`/media/<token>`: files for whoever was given a link.

A browser may show pictures, sounds and films itself; everything else it has to save, and never
guesses a type or runs a script (advisory F16).
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import hdrs, web

from carapace.media.filename import content_disposition
from carapace.media.links import PATH, MediaLinks
from carapace.media.reader import MediaReader
from carapace.media.store import MediaStore
from carapace.media.types import INLINE_TYPES, OCTETS, MediaItem, MediaKind
from carapace.server.http_errors import error_response
from carapace.server.http_range import Part, Unsatisfiable, parse_range

__all__ = ["MediaRoutes"]

_MAX_AT_ONCE: Final = 16
_RETRY_S: Final = 5.0
_WRITE_TIMEOUT_S: Final = 30.0
_MIN_BYTES_PER_S: Final = 16 * 1024
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


class MediaRoutes:
    """The one page.

    Args:
        links: Follows tokens.
        store: Gives the bytes.
        max_at_once: Downloads that may run at the same time.
        write_timeout_s: How long a client may leave a piece of a file unread.
    """

    def __init__(
        self,
        links: MediaLinks,
        store: MediaStore,
        *,
        max_at_once: int = _MAX_AT_ONCE,
        write_timeout_s: float = _WRITE_TIMEOUT_S,
    ) -> None:
        self._links = links
        self._store = store
        self._free = max_at_once
        self._write_timeout_s = write_timeout_s

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it, to GET and HEAD."""
        router.add_get(f"{PATH}{{token}}", self.download)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The file behind a link, or a part of it; 404 if the link leads nowhere (any more)."""
        if self._free <= 0:
            text = "all downloads are taken: try again in a few seconds"
            return error_response(503, text, retry_after_s=_RETRY_S)
        self._free -= 1
        try:
            return await self._download(request)
        finally:
            self._free += 1

    async def _download(self, request: web.Request) -> web.StreamResponse:
        item = await self._links.find(request.match_info["token"])
        if item is None:
            return error_response(404, "this link leads nowhere, or does so no longer")
        etag = f'"{item.sha256}"'
        if etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers={hdrs.ETAG: etag})
        wanted = request.headers.get(hdrs.RANGE)
        if request.headers.get(hdrs.IF_RANGE, etag) != etag:
            wanted = None
        part = parse_range(wanted, item.size_bytes)
        if isinstance(part, Unsatisfiable):
            response = error_response(416, f"the file has {item.size_bytes} bytes: ask for some")
            response.headers[hdrs.CONTENT_RANGE] = f"bytes */{item.size_bytes}"
            return response
        async with self._store.open_file(item.id) as reader:
            return await self._send(request, reader, part)

    async def _send(
        self, request: web.Request, reader: MediaReader, part: Part | None
    ) -> web.StreamResponse:
        item = reader.item
        start, stop = (part.start, part.stop) if part else (0, item.size_bytes)
        response = web.StreamResponse(status=206 if part else 200, headers=_headers(item))
        response.content_length = stop - start
        if part:
            response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{item.size_bytes}"
        if request.method == hdrs.METH_HEAD:
            await response.prepare(request)
            return response
        deadline_s = self._write_timeout_s + (stop - start) / _MIN_BYTES_PER_S
        try:
            async with asyncio.timeout(deadline_s):
                await response.prepare(request)
                async for piece in reader.pieces(start, stop):
                    async with asyncio.timeout(self._write_timeout_s):
                        await response.write(piece)
                await response.write_eof()
        except TimeoutError:
            # The head is out, so the only way to say that the rest will not come.
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        return response


def _headers(item: MediaItem) -> dict[str, str]:
    is_inline = item.content_type in INLINE_TYPES
    # What a browser would run, it is not even told the name of.
    content_type = OCTETS if item.kind is MediaKind.ACTIVE else item.content_type
    return {
        hdrs.CONTENT_TYPE: content_type,
        hdrs.CONTENT_DISPOSITION: content_disposition(item.filename, is_inline=is_inline),
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: f'"{item.sha256}"',
        "Content-Security-Policy": _CSP,
        "X-Robots-Tag": "noindex",
    }
