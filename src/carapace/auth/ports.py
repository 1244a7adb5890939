"""What the room needs of others, in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Headers", "Whois"]


class Headers(Protocol):
    """Case-insensitive request headers that keep repeated ones apart (aiohttp's are)."""

    def __contains__(self, name: object, /) -> bool: ...

    def getall(self, name: str, default: list[str], /) -> Sequence[str]:
        """Every value of `name` in the order sent, or `default`."""
        ...


class Whois(Protocol):
    """Asks the tailnet who an address belongs to."""

    async def login_of(self, address: str) -> str | None:
        """The login name of the person at `address`; None if there is none or in doubt."""
        ...
