"""The pages that the native apps show in their canvas, and the A2UI page.

The Node gateway gives them to anybody. Here a request needs the credential, or the pass of a
connection that is open now: the apps load these pages in a web view that sends no header, so
hello-ok tells each client an address with a pass in its path, and the pass ends with the
connection. What the folder holds may be written by an agent, so the pages run in a sandbox
without an origin of their own: they cannot read what a Control UI keeps in the browser.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from carapace.auth.types import Caller, Origin
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.protocol.connect import BRANDS
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import plain_response
from carapace.server.signed_links import SignedLinks
from carapace.server.static_folder import StaticFolder

__all__ = ["CanvasRoutes", "canvas_address"]

_PASS_PATH: Final = "/canvas-pass"  # noqa: S105 - a path, not a password
_LASTS_MS: Final = 30 * 24 * 3_600_000
_CSP: Final = (
    "sandbox allow-scripts allow-forms allow-modals allow-popups; "
    "default-src 'self' 'unsafe-inline' data: blob:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def canvas_address(links: SignedLinks, caller: Caller, origin: Origin, *, is_tls: bool) -> str:
    """The address that hello-ok tells `caller`; the apps put `/__BRAND__/...` behind it.

    Args:
        links: Signs it.
        caller: Whose connection it lives with.
        origin: How the client reached us, which is how it will again.
        is_tls: Whether our own port speaks TLS.
    """
    # A proxy that the operator trusts, or Tailscale's own, says whether it was spoken to by https.
    is_proxied = origin.via_trusted_proxy or origin.tailscale_login is not None
    scheme = "https" if is_tls or (is_proxied and origin.is_private) else "http"
    token = links.make(caller.conn_id, lasts_ms=_LASTS_MS)
    return f"{scheme}://{origin.host}{_PASS_PATH}/{caller.conn_id}/{token}"


class CanvasRoutes:
    """Canvas and A2UI, under the names of all brands.

    Args:
        settings: Where their files are.
        access: Judges the credential.
        links: Checks passes.
        is_connected: Whether a connection of that id is open.
    """

    def __init__(
        self,
        settings: CanvasHostSettings,
        *,
        access: HttpAccess,
        links: SignedLinks,
        is_connected: Callable[[str], bool],
    ) -> None:
        self._folders = {
            kind: StaticFolder(Path(root).expanduser())
            for kind, root in (("canvas", settings.root), ("a2ui", settings.a2ui_root))
            if root
        }
        self._access = access
        self._links = links
        self._is_connected = is_connected

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them, to GET and HEAD."""
        for brand in BRANDS:
            for kind in self._folders:
                path = f"/__{brand}__/{kind}{{path:(/.*)?}}"
                router.add_get(path, self.with_credential)
                router.add_get(f"{_PASS_PATH}/{{conn_id}}/{{token}}{path}", self.with_pass)

    async def with_credential(self, request: web.Request) -> web.Response:
        """A file, to who shows the credential."""
        caller = await self._access.caller(request, "node.list")
        return caller if isinstance(caller, web.Response) else await self._file(request)

    async def with_pass(self, request: web.Request) -> web.Response:
        """A file, to who has the address of an open connection."""
        conn_id = request.match_info["conn_id"]
        if self._links.opens(request.match_info["token"], conn_id) and self._is_connected(conn_id):
            return await self._file(request)
        return plain_response(404, "Not Found")

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if not path:
            # Addresses in the pages are relative to them.
            return web.Response(status=302, headers={hdrs.LOCATION: f"{request.path}/"})
        kind = "a2ui" if "__/a2ui" in request.path else "canvas"
        name = path.strip("/")
        wanted = f"{name}/index.html".lstrip("/") if path.endswith("/") else name
        found = await asyncio.to_thread(self._folders[kind].read, wanted)
        if found is None:
            return plain_response(404, "Not Found")
        return web.Response(
            body=found.data,
            headers={
                hdrs.CONTENT_TYPE: found.content_type,
                hdrs.CACHE_CONTROL: "no-store",
                "Content-Security-Policy": _CSP,
                # The sandbox has no origin, so to the browser even its own files are foreign.
                "Cross-Origin-Resource-Policy": "cross-origin",
            },
        )
