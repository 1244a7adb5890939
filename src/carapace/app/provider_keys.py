"""Keys of providers that the vault keeps, by the names under which providers are looked for.

They were given in the setup. A key in the configuration goes before them; the environment's, which
may be meant for another program, after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from carapace.agent.providers.discovery import kept_key_name
from carapace.credentials.ports import Vault

__all__ = ["ProviderKeys"]

_PREFIX: Final = kept_key_name("", None).partition("@")[0]


class ProviderKeys:
    """What the vault keeps of them, read when it has changed.

    Args:
        vault: Where they are.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._known: dict[str, str] = {}

    @property
    def variables(self) -> Mapping[str, str]:
        """The keys by their names."""
        return self._known

    async def load(self) -> bool:
        """Read them again; whether any is new, changed or gone.

        Raises:
            Failed: If the vault cannot be read; what was known stays.
        """
        names = [name for name in await self._vault.names() if name.startswith(_PREFIX)]
        found = {name: await self._vault.get(name) for name in names}
        before, self._known = self._known, {name: key for name, key in found.items() if key}
        return before != self._known

    async def put(self, provider: str, base_url: str | None, key: str) -> None:
        """Keep a key; it counts at once.

        Raises:
            Failed: If the vault cannot keep it.
        """
        await self._vault.put(kept_key_name(provider, base_url), key)
        await self.load()
