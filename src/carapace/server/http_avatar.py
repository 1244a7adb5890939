"""`/avatar/AGENT`: an assistant's picture from its workspace, and where it is (`?meta=1`).

The Node gateway gives both to anybody. Here `meta` tells strangers that there is no picture, and
those who show a credential an address that opens the picture for an hour, because an `<img>` of
a page sends no header.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Protocol

from aiohttp import hdrs, web

from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import json_response, plain_response
from carapace.server.signed_links import SignedLinks
from carapace.server.static_folder import StaticFolder, content_type_of

__all__ = ["AvatarRoutes", "Avatars"]

_LASTS_MS: Final = 3_600_000
_PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_ADDRESSES: Final = ("https://", "http://", "data:image/")


class Avatars(Protocol):
    """Where the pictures are (`carapace.agent.profiles.Profiles`, through `app`)."""

    def avatar(self, agent_id: str) -> tuple[str, Path] | None:
        """What the agent's avatar says, and its workspace; None for an unknown agent."""
        ...


class AvatarRoutes:
    """The one page.

    Args:
        avatars: Where the pictures are.
        access: Judges the credential.
        links: Signs addresses.
    """

    def __init__(self, avatars: Avatars, *, access: HttpAccess, links: SignedLinks) -> None:
        self._avatars = avatars
        self._access = access
        self._links = links

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it, to GET and HEAD."""
        router.add_get("/avatar/{agent_id}", self.avatar)

    async def avatar(self, request: web.Request) -> web.Response:
        """The picture, or with `meta=1` its address."""
        agent_id = request.match_info["agent_id"].lower()
        found = self._avatars.avatar(agent_id)
        if request.query.get("meta") == "1":
            return await self._meta(request, agent_id, found)
        if not await self._may_see(request, agent_id):
            return plain_response(404, "Not Found")
        picture = None
        if found is not None and content_type_of(found[0]) in _PICTURES:
            picture = await asyncio.to_thread(StaticFolder(found[1]).read, found[0])
        if picture is None:
            return plain_response(404, "Not Found")
        headers = {hdrs.CONTENT_TYPE: picture.content_type, hdrs.CACHE_CONTROL: "no-cache"}
        return web.Response(body=picture.data, headers=headers)

    async def _may_see(self, request: web.Request, agent_id: str) -> bool:
        if self._links.opens(request.query.get("pass", ""), agent_id):
            return True
        if not request.headers.get(hdrs.AUTHORIZATION):
            return False
        caller = await self._access.caller(request, "agent.identity.get")
        return not isinstance(caller, web.Response)

    async def _meta(
        self, request: web.Request, agent_id: str, found: tuple[str, Path] | None
    ) -> web.Response:
        address: str | None = None
        if found is not None and request.headers.get(hdrs.AUTHORIZATION):
            caller = await self._access.caller(request, "agent.identity.get")
            if isinstance(caller, web.Response):
                return caller
            address = self._address(agent_id, found[0])
        response = json_response({"avatarUrl": address})
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

    def _address(self, agent_id: str, avatar: str) -> str | None:
        if avatar.startswith(_ADDRESSES):
            return avatar
        if content_type_of(avatar) not in _PICTURES:
            return None  # a letter or an emoji
        return f"/avatar/{agent_id}?pass={self._links.make(agent_id, lasts_ms=_LASTS_MS)}"
