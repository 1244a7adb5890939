"""Which gateway a command means, and with which credential.

Order: flags, environment (all three generations of names), configuration file, vault.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carapace.auth.shared import VAULT_NAME as TOKEN_NAME
from carapace.cli.identity import VAULT_NAME as DEVICE_NAME
from carapace.cli.identity import Identity, new_seed
from carapace.cli.options import Place, Remote
from carapace.cli.trouble import CONFIGURATION, Trouble
from carapace.config.load import Loaded, Overrides, load
from carapace.config.paths import PathFlags, Paths, resolve_paths
from carapace.config.reader import DiskReader
from carapace.config.settings import Settings
from carapace.credentials.keysource import KeySources, key_folder
from carapace.credentials.sealed import SealedVault

if TYPE_CHECKING:
    from carapace.credentials.ports import Vault

__all__ = ["Target", "find_target", "load_config", "open_vault", "paths_of", "vault_path"]


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway to talk to.

    Attributes:
        url: ws or wss.
        token: Shared token, if known.
        password: Shared password, if known.
        identity: This machine's device; None for a gateway given by address alone.
        paths: Of the configuration that was read.
    """

    url: str
    token: str | None
    password: str | None
    identity: Identity | None
    paths: Paths


def paths_of(place: Place) -> Paths:
    """Paths by flags and environment."""
    return resolve_paths(os.environ, PathFlags(config=place.config, state_dir=place.state_dir))


def load_config(paths: Paths) -> Loaded:
    """The configuration as it stands, with the environment laid over."""
    return load(paths.config_path, DiskReader(), Overrides(os.environ))


def vault_path(paths: Paths) -> Path:
    """Where the sealed vault of a state folder is."""
    return paths.state_dir / "credentials" / "vault.json"


async def open_vault(paths: Paths, environment: Mapping[str, str]) -> Vault:
    """The vault of a state folder; made if it is not there.

    Raises:
        Failed: If it cannot be opened.
    """
    home = Path(environment.get("HOME") or Path.home())
    sources = KeySources(environment, key_folder(environment, home))
    return await SealedVault.open(vault_path(paths), sources)


def find_target(remote: Remote) -> Target:
    """Decide address and credential.

    Raises:
        Trouble: If the configuration is broken and no address was given.
        Failed: If the vault cannot be opened.
    """
    paths = paths_of(remote)
    loaded = load_config(paths)
    settings = loaded.settings
    if settings is None and remote.url is None:
        first = loaded.issues[0].message if loaded.issues else "unknown reason"
        raise Trouble(
            "The configuration cannot be read.",
            why=first,
            next_step="Run: cara doctor (or name the gateway with --url)",
            exit_code=CONFIGURATION,
        )
    token, password = _configured(remote, settings)
    kept_token, identity = asyncio.run(_from_vault(paths))
    return Target(
        url=remote.url or _local_url(settings or Settings()),
        token=token or (None if password else kept_token),
        password=password,
        identity=identity,
        paths=paths,
    )


def _configured(remote: Remote, settings: Settings | None) -> tuple[str | None, str | None]:
    if remote.token or remote.password:
        return remote.token, remote.password
    if settings is None:
        return None, None
    auth = settings.gateway.auth
    return auth.token, auth.password


async def _from_vault(paths: Paths) -> tuple[str | None, Identity]:
    vault = await open_vault(paths, os.environ)
    seed = await vault.get_or_put(DEVICE_NAME, new_seed)
    return await vault.get(TOKEN_NAME), Identity(seed)


def _local_url(settings: Settings) -> str:
    gateway = settings.gateway
    scheme = "wss" if gateway.tls.enabled else "ws"
    host = "127.0.0.1"
    if gateway.bind == "custom" and gateway.custom_bind_host not in {None, "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = str(gateway.custom_bind_host)
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{gateway.port}"
