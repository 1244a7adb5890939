"""HTTP clients of one plugin, one for each way out; kept, since each pools its connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx2

from carapace.net.proxy import Proxy
from carapace.value import Value

__all__ = ["MAX_CLIENTS", "Clients", "Way"]

MAX_CLIENTS: Final = 32
"""So many are kept while nobody uses them; the one that waited longest goes first."""


class Way(Value, frozen=True):
    """How a request goes.

    Attributes:
        proxy: Through which proxy of its own, if any.
        follows: Whether redirects are followed.
    """

    proxy: Proxy | None
    follows: bool


@dataclass(slots=True)
class _Kept:
    client: httpx2.AsyncClient
    users: int = 0


class Clients:
    """Makes and keeps them.

    A proxy that is changed is another way. Clients of ways that nobody goes any more are pushed
    out by others, or closed at the end.

    Args:
        make: A client for a way.
    """

    def __init__(self, make: Callable[[Way], httpx2.AsyncClient]) -> None:
        self._make = make
        self._kept: dict[Way, _Kept] = {}

    @asynccontextmanager
    async def use(self, way: Way) -> AsyncGenerator[httpx2.AsyncClient]:
        """The client of `way`, for as long as a request takes."""
        kept = self._kept.pop(way, None) or _Kept(self._make(way))
        self._kept[way] = kept  # the newest comes last
        kept.users += 1
        try:
            yield kept.client
        finally:
            kept.users -= 1
            await self._tidy()

    async def aclose(self) -> None:
        """Close all of them, whatever they are at."""
        clients, self._kept = list(self._kept.values()), {}
        for one in clients:
            await one.client.aclose()

    async def _tidy(self) -> None:
        idle = [way for way, one in self._kept.items() if not one.users]
        for way in idle[: max(0, len(self._kept) - MAX_CLIENTS)]:
            await self._kept.pop(way).client.aclose()
