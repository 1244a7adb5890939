"""The Control UI of the Node gateway, served from the folder that the operator names.

The files are somebody else's build and are not changed; only the first page is told where it is.
A path of the page's own (`/chat`, `/sessions`) gives the first page, but only to whoever asks for
HTML and not for a file: a script that is missing is 404, not a page that a browser would run.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from aiohttp import hdrs, web

from carapace.config.settings.control_ui import ControlUiSettings
from carapace.protocol.connect import BRANDS
from carapace.server.control_ui_page import PageFacts, clean_base, content_security_policy, page
from carapace.server.http_errors import plain_response
from carapace.server.static_folder import StaticFile, StaticFolder

__all__ = ["ControlUi"]

_READING: Final = (hdrs.METH_GET, hdrs.METH_HEAD)
_INDEX: Final = "index.html"
_FOREVER: Final = "public, max-age=31536000, immutable"
# A name that changes with its content, as bundlers write it.
_HASHED: Final = re.compile(r"/?assets/[^/]+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+", re.ASCII)
_NOT_PAGES: Final = (
    "/v1/",
    "/tools/",
    "/avatar/",
    "/media/",
    *(f"/__{brand}__/" for brand in BRANDS),
)


class ControlUi:
    """Answers where nothing else does, below the base path; for `GatewayServer.fall_back`.

    Args:
        settings: `gateway.controlUi` as it is now.
        assistant: Name and avatar of the agent that answers by default.
    """

    def __init__(
        self,
        settings: Callable[[], ControlUiSettings],
        *,
        assistant: Callable[[], tuple[str, str]],
    ) -> None:
        self._settings = settings
        self._assistant = assistant

    def owns(self, request: web.BaseRequest) -> bool:
        """Whether `request` is for the page, if there is one."""
        settings = self._settings()
        if not settings.enabled or not settings.root:
            return False
        base, path = clean_base(settings.base_path), request.rel_url.raw_path
        if not base:
            # Where old releases had the page; they answer 404 there since.
            is_other = path.rstrip("/") == "/ui" or path.startswith(_NOT_PAGES)
            return not is_other or request.method not in _READING
        return path == base or path.startswith(f"{base}/")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer it."""
        if request.method not in _READING:
            response = plain_response(405, "Method Not Allowed")
            response.headers[hdrs.ALLOW] = "GET, HEAD"
            return response
        settings = self._settings()
        base = clean_base(settings.base_path)
        path = unquote(request.rel_url.raw_path[len(base) :])
        if base and not path:
            # Addresses in the page are relative to it.
            return web.Response(status=302, headers={hdrs.LOCATION: f"{base}/"})
        folder = StaticFolder(_expanded(settings.root or ""))
        name = path.strip("/") or _INDEX
        found = None
        if name != _INDEX:
            found = await asyncio.to_thread(folder.read, name)
        if found is not None:
            return _file(request, path, found)
        if name != _INDEX and not _is_page(request, path):
            return plain_response(404, "Not Found")
        index = await asyncio.to_thread(folder.read, _INDEX)
        return self._page(index, base) if index is not None else plain_response(404, "Not Found")

    def _page(self, index: StaticFile, base: str) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        facts = PageFacts(base, *self._assistant())
        text = page(index.data.decode("utf-8", errors="replace"), facts, nonce)
        return web.Response(
            body=text.encode(),
            headers={
                hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
                hdrs.CACHE_CONTROL: "no-cache",
                "Content-Security-Policy": content_security_policy(nonce),
            },
        )


def _expanded(root: str) -> Path:
    return Path(root).expanduser()


def _file(request: web.Request, path: str, found: StaticFile) -> web.Response:
    cache = _FOREVER if _HASHED.fullmatch(path) else "no-cache"
    headers = {hdrs.CACHE_CONTROL: cache, hdrs.ETAG: found.etag}
    if found.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = found.content_type
    # An HTML or SVG file of the folder may be opened by itself; scripts in it do not run.
    return web.Response(body=found.data, headers=headers)


def _is_page(request: web.Request, path: str) -> bool:
    """Whether the page's own router may know `path`: no file, and HTML is welcome.

    Browsers say what they want for every script, picture and page; who says nothing is no
    browser, and gets the page as from the Node gateway.
    """
    accept = request.headers.get(hdrs.ACCEPT)
    last = path.rstrip("/").rpartition("/")[2]
    return accept is None or ("text/html" in accept.lower() and "." not in last)
