"""The last gate: the address is known, the socket does not exist yet.

`GuardedBackend` is what httpcore2 asks for a connection, so nothing above it (redirects, odd
literals, a resolver that changes its mind between check and use) can go around the policy:
the address that was checked is the one that is dialled.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable

import httpcore2

from carapace.net.address import IPAddress
from carapace.net.policy import EgressPolicy
from carapace.net.proxy import Proxy, open_tunnel
from carapace.net.refused import EgressRefused
from carapace.net.resolve import Resolver
from carapace.net.tcp import TcpBackend
from carapace.net.url import InvalidUrl, check_host, literal
from carapace.value import Value

__all__ = ["GuardedBackend", "Way", "system_dialler"]

# So long one dead address may keep us from trying the next one.
_ATTEMPT_TIMEOUT_S = 4.0


def system_dialler() -> httpcore2.AsyncNetworkBackend:
    """Opens real sockets."""
    return TcpBackend()


class Way(Value, frozen=True):
    """How connections leave this machine.

    Attributes:
        resolver: Names to addresses.
        dialler: Opens the socket to a literal address.
        find_proxy: The proxy that is configured now, or None.
        tls: Trust for a proxy that speaks TLS itself.
    """

    resolver: Resolver
    dialler: httpcore2.AsyncNetworkBackend
    find_proxy: Callable[[], Proxy | None]
    tls: Callable[[], ssl.SSLContext]


class _SocketOptions(Value, frozen=True):
    """What httpcore2 wants of the socket beside its address."""

    local_address: str | None
    socket_options: Iterable[httpcore2.SOCKET_OPTION] | None


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections that a policy allows.

    Args:
        policy: Rules of the caller.
        way: How connections leave this machine.
    """

    def __init__(self, policy: EgressPolicy, way: Way) -> None:
        self._policy = policy
        self._way = way

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A stream to an allowed address of `host`.

        Raises:
            EgressRefused: A rule says no.
            httpcore2.ConnectError: Unknown name, or no address answered.
            httpcore2.ConnectTimeout: If it took longer than `timeout` or the policy's deadline.
        """
        deadline_s = self._policy.connect_timeout_s
        options = _SocketOptions(local_address, socket_options)
        try:
            async with asyncio.timeout(deadline_s if timeout is None else min(timeout, deadline_s)):
                return await self._open(host, port, options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"no connection to {host}:{port} in time") from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's own signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Never: local sockets have a client of their own (`carapace.net.unix`).

        Raises:
            EgressRefused: Always.
        """
        del timeout, socket_options
        raise EgressRefused(path, 0, "a unix socket")

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore2 does between its retries."""
        await self._way.dialler.sleep(seconds)

    async def _open(
        self, text: str, port: int, options: _SocketOptions
    ) -> httpcore2.AsyncNetworkStream:
        try:
            host = check_host(text)
        except InvalidUrl as error:
            raise EgressRefused(text, port, str(error)) from error
        if (reason := self._policy.refuse_host(host, port)) is not None:
            raise EgressRefused(host, port, reason)
        proxy = self._way.find_proxy()
        if proxy is not None and proxy.serves(host):
            return await self._tunnel(proxy, host, port, options)
        addresses = await self._look_up(host, port)
        self._check(host, port, addresses)
        return await self._dial(addresses, port, options)

    async def _tunnel(
        self, proxy: Proxy, host: str, port: int, options: _SocketOptions
    ) -> httpcore2.AsyncNetworkStream:
        """Through the proxy, which is the operator's own and may stand anywhere."""
        if (address := literal(host)) is not None:
            self._check(host, port, (address,))
        addresses = await self._look_up(proxy.host, proxy.port)
        stream = await self._dial(addresses, proxy.port, options)
        return await open_tunnel(stream, proxy, host, port, tls=self._way.tls)

    def _check(self, host: str, port: int, addresses: tuple[IPAddress, ...]) -> None:
        if (reason := self._policy.refuse_addresses(host, port, addresses)) is not None:
            raise EgressRefused(host, port, reason)

    async def _look_up(self, host: str, port: int) -> tuple[IPAddress, ...]:
        if (address := literal(host)) is not None:
            return (address,)
        try:
            return await self._way.resolver.resolve(host, port)
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"cannot look up {host}: {error}") from error

    async def _dial(
        self, addresses: tuple[IPAddress, ...], port: int, options: _SocketOptions
    ) -> httpcore2.AsyncNetworkStream:
        errors: list[Exception] = [httpcore2.ConnectError("the name has no address")]
        for index, address in enumerate(addresses):
            is_last = index == len(addresses) - 1
            try:
                return await self._way.dialler.connect_tcp(
                    str(address),
                    port,
                    timeout=None if is_last else _ATTEMPT_TIMEOUT_S,
                    local_address=options.local_address,
                    socket_options=options.socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                errors.append(error)
        raise errors[-1]
