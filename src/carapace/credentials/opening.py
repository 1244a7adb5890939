"""The vault of a state folder: where it is, and how gateway and command line both open it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from carapace.credentials.keysource import KeySources, key_folder
from carapace.credentials.ports import Vault
from carapace.credentials.sealed import SealedVault

__all__ = ["open_vault", "vault_path"]


def vault_path(state_dir: Path) -> Path:
    """The sealed file."""
    return state_dir / "credentials" / "vault.json"


async def open_vault(state_dir: Path, environment: Mapping[str, str]) -> Vault:
    """Open it; made if it is not there.

    Raises:
        Failed: If it cannot be opened.
    """
    home = Path(environment.get("HOME") or Path.home())
    sources = KeySources(environment, key_folder(environment, home))
    return await SealedVault.open(vault_path(state_dir), sources)
