"""From a host name to addresses, once for each connection."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Protocol

from carapace.net.address import IPAddress

__all__ = ["Resolver", "SystemResolver", "interleave"]

_MAX_ADDRESSES = 16
_MAX_LOOKUPS = 16


class Resolver(Protocol):
    """Whoever knows the addresses of a name."""

    async def resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        """All addresses of `host`, best first.

        Raises:
            OSError: If the name is unknown or the look-up failed.
        """
        ...


class SystemResolver:
    """The machine's own resolver, as every other program here uses it.

    Look-ups have threads of their own: names that hang, which anyone can send, keep neither
    files nor anything else of the gateway waiting.
    """

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        """Addresses of `host`, families alternating so that a dead one costs one attempt.

        The caller sets the deadline.

        Raises:
            socket.gaierror: As the system says.
        """
        rows = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        return interleave([ip_address(text) for text in dict.fromkeys(rows)])[:_MAX_ADDRESSES]


def _look_up(host: str, port: int) -> list[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(row[4][0]) for row in rows]


def interleave(addresses: list[IPAddress]) -> tuple[IPAddress, ...]:
    """The same addresses, families alternating, the first one's family first.

    Source: RFC 8305 section 4.
    """
    if not addresses:
        return ()
    first = [a for a in addresses if a.version == addresses[0].version]
    other = [a for a in addresses if a.version != addresses[0].version]
    mixed: list[IPAddress] = []
    for index in range(max(len(first), len(other))):
        mixed += first[index : index + 1] + other[index : index + 1]
    return tuple(mixed)
