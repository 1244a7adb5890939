"""Tells apps on the local network where the gateway is, by multicast DNS (DNS-SD, RFC 6763).

Off unless asked for: whoever is on the network learns that there is a gateway. Nothing more than
the apps need is told: no paths, no SSH port, no name of the machine unless `full` asks for it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from carapace.errors import Failed
from carapace.value import Value

if TYPE_CHECKING:  # an extra, loaded when it is asked for
    from zeroconf import ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

__all__ = ["SERVICE_TYPES", "Advertisement", "Advertiser", "own_addresses"]

SERVICE_TYPES: Final = ("_clawdbot-gw._tcp", "_moltbot-gw._tcp", "_openclaw-gw._tcp")
"""What apps of the three brands look for (`native-clients.md`, section 5)."""

_MAX_LABEL_BYTES: Final = 63  # RFC 1035, section 2.3.4


class Advertisement(Value, frozen=True, kw_only=True):
    """What is told.

    Attributes:
        mode: `minimal` or `full`.
        name: What a person reads in a list of gateways.
        port: Of the gateway.
        addresses: Where it listens; never loopback, except in tests.
        tls_sha256: Fingerprint of its certificate in hexadecimal, if it speaks TLS.
        canvas_port: Where canvas pages are served, if they are.
    """

    mode: Literal["minimal", "full"]
    name: str
    port: int
    addresses: Sequence[str]
    tls_sha256: str | None = None
    canvas_port: int | None = None

    @property
    def host(self) -> str:
        """The name its addresses are told under; in `minimal` one that says nothing."""
        return f"{_label(self.name)}.local" if self.mode == "full" else "carapace-gateway.local"

    def texts(self) -> dict[str, str]:
        """The TXT record, as the apps read it."""
        out = {
            "role": "gateway",
            "transport": "gateway",
            "displayName": self.name if self.mode == "full" else "Gateway",
            "gatewayPort": str(self.port),
        }
        if self.mode == "full":
            out["lanHost"] = self.host
        if self.tls_sha256:
            out |= {"gatewayTls": "1", "gatewayTlsSha256": self.tls_sha256}
        if self.canvas_port:
            out["canvasPort"] = str(self.canvas_port)
        return out


class Advertiser:
    """Announces one gateway until it is closed."""

    def __init__(self) -> None:
        self._zeroconf: AsyncZeroconf | None = None

    async def start(self, what: Advertisement) -> None:
        """Announce; another of the same name on the network makes ours a numbered one.

        Raises:
            Failed: If the library is not installed, there is no network, or it does not take it.
        """
        if not what.addresses:
            raise Failed(
                "the gateway cannot be announced: this machine has no address that others could "
                "reach it at; check its network and gateway.bind"
            )
        try:
            from zeroconf import Error  # noqa: PLC0415 - an extra, loaded when it is asked for
            from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415 - as above
        except ImportError as error:
            raise Failed(
                "discovery.mdns needs a library that is not installed: install "
                "carapace-gateway[discovery], or set discovery.mdns.mode to off",
                retryable=False,
            ) from error
        try:
            self._zeroconf = AsyncZeroconf(interfaces=list(what.addresses))
            told: list[Awaitable[object]] = [
                await self._zeroconf.async_register_service(  # pyright: ignore[reportUnknownMemberType] - half typed there
                    _service(kind, what), allow_name_change=True
                )
                for kind in SERVICE_TYPES
            ]
            for one in told:
                await one
        except (OSError, Error) as error:
            await self.aclose()
            raise Failed(f"the gateway cannot be announced on the network: {error}") from error

    async def aclose(self) -> None:
        """Say goodbye, so that lists forget it at once."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()


def own_addresses(hosts: Sequence[str]) -> list[str]:
    """The IPv4 addresses of this machine that other machines reach the gateway at.

    Args:
        hosts: What it listens on; `0.0.0.0` means every network this machine is in.

    Raises:
        Failed: If the library is not installed.
    """
    found = [ipaddress.ip_address(host) for host in hosts]
    if not any(one.is_unspecified for one in found):
        return [str(one) for one in found if one.version == 4 and not one.is_loopback]  # noqa: PLR2004 - IPv4
    try:
        import ifaddr  # noqa: PLC0415 - comes with the extra
    except ImportError as error:
        raise Failed("discovery.mdns needs carapace-gateway[discovery]", retryable=False) from error
    every = [
        ipaddress.ip_address(address.ip)
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
        if isinstance(address.ip, str)
    ]
    return [str(one) for one in every if not one.is_loopback]


def _service(kind: str, what: Advertisement) -> ServiceInfo:
    from zeroconf import ServiceInfo  # noqa: PLC0415 - an extra

    label = _label(what.name) if what.mode == "full" else "Gateway"
    return ServiceInfo(
        f"{kind}.local.",
        f"{label}.{kind}.local.",
        port=what.port,
        addresses=[socket.inet_aton(one) for one in what.addresses],
        properties=what.texts(),
        server=f"{what.host}.",
    )


def _label(name: str) -> str:
    """`name` as one label of a DNS name."""
    plain = "".join(one if one.isalnum() or one == "-" else "-" for one in name)
    cut = plain.encode()[:_MAX_LABEL_BYTES].decode(errors="ignore").strip("-")
    return cut or "gateway"
