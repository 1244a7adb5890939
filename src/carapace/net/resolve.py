"""From a host name to addresses, once for each connection."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Protocol

from carapace.net.address import IPAddress

__all__ = ["Resolver", "SystemResolver", "interleave"]

_MAX_ADDRESSES = 16


class Resolver(Protocol):
    """Whoever knows the addresses of a name."""

    async def resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        """All addresses of `host`, best first.

        Raises:
            OSError: If the name is unknown or the look-up failed.
        """
        ...


class SystemResolver:
    """The machine's own resolver, as every other program here uses it."""

    __slots__ = ()

    async def resolve(self, host: str, port: int) -> tuple[IPAddress, ...]:
        """Addresses of `host`, families alternating so that a dead one costs one attempt.

        The caller sets the deadline.

        Raises:
            socket.gaierror: As the system says.
        """
        rows = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        unique = dict.fromkeys(str(row[4][0]) for row in rows)
        return interleave([ip_address(text) for text in unique])[:_MAX_ADDRESSES]


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
