"""The last gate: the address is known, the socket does not exist yet.

`GuardedBackend` is what httpcore2 asks for a connection, so nothing above it (redirects, odd
literals, a resolver that changes its mind between check and use) can go around the policy:
the address that was checked is the one that is dialled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import cast

import httpcore2

from carapace.net.address import IPAddress
from carapace.net.policy import EgressPolicy
from carapace.net.refused import EgressRefused
from carapace.net.resolve import Resolver
from carapace.net.url import InvalidUrl, check_host, literal

__all__ = ["GuardedBackend", "system_dialler"]

# So long one dead address may keep us from trying the next one.
_ATTEMPT_TIMEOUT_S = 4.0


def system_dialler() -> httpcore2.AsyncNetworkBackend:
    """Opens real sockets."""
    # The library exports an alias that a type checker cannot tell to be the same class.
    return cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Opens TCP connections that a policy allows.

    Args:
        policy: Rules of the caller.
        resolver: Names to addresses.
        dialler: Opens the socket to a literal address.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolver: Resolver,
        dialler: httpcore2.AsyncNetworkBackend,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._dialler = dialler

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
        try:
            async with asyncio.timeout(deadline_s if timeout is None else min(timeout, deadline_s)):
                addresses = await self._allowed(host, port)
                return await self._dial(addresses, port, local_address, socket_options)
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
        await self._dialler.sleep(seconds)

    async def _allowed(self, host: str, port: int) -> tuple[IPAddress, ...]:
        try:
            host = check_host(host)
        except InvalidUrl as error:
            raise EgressRefused(host, port, str(error)) from error
        address = literal(host)
        try:
            addresses = (
                (address,) if address is not None else await self._resolver.resolve(host, port)
            )
        except TimeoutError:
            raise
        except OSError as error:
            raise httpcore2.ConnectError(f"cannot look up {host}: {error}") from error
        if (reason := self._policy.refuse_addresses(host, port, addresses)) is not None:
            raise EgressRefused(host, port, reason)
        return addresses

    async def _dial(
        self,
        addresses: tuple[IPAddress, ...],
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        errors: list[Exception] = []
        for index, address in enumerate(addresses):
            is_last = index == len(addresses) - 1
            try:
                return await self._dialler.connect_tcp(
                    str(address),
                    port,
                    timeout=None if is_last else _ATTEMPT_TIMEOUT_S,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                errors.append(error)
        raise errors[-1]
