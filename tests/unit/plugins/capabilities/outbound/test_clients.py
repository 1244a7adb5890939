"""Clients are kept by their way, and no more of them than are of use."""

from __future__ import annotations

import httpx2

from carapace.net.proxy import Proxy
from carapace.plugins.capabilities.outbound.clients import MAX_CLIENTS, Clients, Way

DIRECT = Way(None, follows=False)


def way(port: int) -> Way:
    return Way(Proxy("http", "proxy.example", port), follows=False)


class Made:
    """Notes which clients were made."""

    def __init__(self) -> None:
        self.ways: list[Way] = []
        self.clients: list[httpx2.AsyncClient] = []
        self.kept = Clients(self.make)

    def make(self, wanted: Way) -> httpx2.AsyncClient:
        self.ways.append(wanted)
        self.clients.append(httpx2.AsyncClient())
        return self.clients[-1]

    async def go(self, wanted: Way) -> httpx2.AsyncClient:
        async with self.kept.use(wanted) as client:
            return client

    @property
    def open(self) -> int:
        return sum(not client.is_closed for client in self.clients)


async def test_one_way_has_one_client_and_another_way_another():
    made = Made()
    async with made.kept.use(DIRECT) as one, made.kept.use(DIRECT) as two:
        assert one is two
    assert await made.go(DIRECT) is one
    assert await made.go(way(1)) is not one
    assert await made.go(Way(None, follows=True)) is not one
    assert made.ways == [DIRECT, way(1), Way(None, follows=True)]
    await made.kept.aclose()
    assert made.open == 0


async def test_those_that_nobody_used_for_longest_are_closed():
    made = Made()
    first = await made.go(DIRECT)
    for port in range(1, MAX_CLIENTS):
        await made.go(way(port))
    assert made.open == MAX_CLIENTS
    await made.go(DIRECT)  # of use again
    await made.go(way(MAX_CLIENTS))
    assert made.open == MAX_CLIENTS
    assert not first.is_closed
    assert made.clients[1].is_closed
    await made.kept.aclose()


async def test_one_in_use_is_not_closed():
    made = Made()
    async with made.kept.use(DIRECT) as held:
        for port in range(1, MAX_CLIENTS + 3):
            await made.go(way(port))
        assert not held.is_closed
        assert made.open == MAX_CLIENTS
    await made.kept.aclose()
    assert held.is_closed


async def test_after_the_end_a_request_that_was_under_way_changes_nothing():
    made = Made()
    async with made.kept.use(DIRECT) as held:
        await made.kept.aclose()
    assert held.is_closed
