"""The vault as other rooms see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Vault"]


class Vault(Protocol):
    """Named secrets that outlive the process. Names are plain words: `gateway-token`."""

    async def get(self, name: str) -> str | None:
        """The secret, or None if there is none of that name.

        Raises:
            Failed: If the vault cannot be read; never None in that case.
        """
        ...

    async def put(self, name: str, value: str) -> None:
        """Keep `value`; it is on disk when this returns.

        Raises:
            Failed: If it could not be kept; the old value then still stands.
        """
        ...

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        """The secret, or what `make` gives if there is none; one winner between processes.

        Raises:
            Failed: As `get` and `put`.
        """
        ...

    async def delete(self, name: str) -> bool:
        """Forget the secret; whether there was one."""
        ...

    async def names(self) -> list[str]:
        """All names, sorted."""
        ...
