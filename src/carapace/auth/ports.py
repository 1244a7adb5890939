"""What the room needs of others, in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from carapace.config.settings.gateway import TailscaleSettings

__all__ = ["Headers", "OriginSettings", "Whois"]


class Headers(Protocol):
    """Case-insensitive request headers that keep repeated ones apart (aiohttp's are)."""

    def __contains__(self, name: object, /) -> bool: ...

    def getall(self, name: str, default: list[str], /) -> Sequence[str]:
        """Every value of `name` in the order sent, or `default`."""
        ...


class OriginSettings(Protocol):
    """The part of `gateway` that says whom to believe."""

    @property
    def trusted_proxies(self) -> Sequence[str]:
        """Addresses or CIDR ranges whose forwarding headers count."""
        ...

    @property
    def allowed_origins(self) -> Sequence[str]:
        """Web origins besides the gateway's own."""
        ...

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Host names besides addresses and this machine's names."""
        ...

    @property
    def tailscale(self) -> TailscaleSettings:
        """Whether tailscale stands in front."""
        ...


class Whois(Protocol):
    """Asks the tailnet who an address belongs to."""

    async def login_of(self, address: str) -> str | None:
        """The login name of the person at `address`; None if there is none or in doubt."""
        ...
