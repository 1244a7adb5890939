"""Which gateway a command means, and with which credential.

Order: flags, environment (all three generations of names), configuration file, vault. What
file and vault hold belongs to one address and is sent to no other: the local credential to
this machine's gateway, `gateway.remote`'s to the address that stands beside it.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final
from urllib.parse import urlsplit

from carapace.auth.shared import VAULT_NAME as TOKEN_NAME
from carapace.cli.identity import VAULT_NAME as DEVICE_NAME
from carapace.cli.identity import Identity, new_seed
from carapace.cli.options import Place, Remote
from carapace.cli.trouble import CONFIGURATION, Trouble
from carapace.config.environment import lookup
from carapace.config.load import Loaded, Overrides, load
from carapace.config.paths import PathFlags, Paths, resolve_paths
from carapace.config.reader import DiskReader
from carapace.config.settings import Settings
from carapace.credentials.opening import open_vault
from carapace.value import Value

__all__ = [
    "Target",
    "find_target",
    "is_this_machine",
    "load_config",
    "paths_of",
]

_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Target(Value, frozen=True):
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


def find_target(remote: Remote) -> Target:
    """Decide address and credential.

    Raises:
        Trouble: If the configuration is broken or names no address, and none was given.
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
    settings = settings or Settings()
    url = remote.url or _usual_url(settings)
    token, password = _given(remote) or _configured(url, settings)
    kept_token, identity = asyncio.run(_from_vault(paths))
    if token is None and password is None and _is_here(url, settings):
        token = kept_token
    return Target(
        url=url,
        token=token,
        password=password,
        identity=identity,
        paths=paths,
    )


def _usual_url(settings: Settings) -> str:
    gateway = settings.gateway
    if gateway.mode != "remote":
        return _local_url(settings)
    if not gateway.remote.url:
        raise Trouble(
            "There is no gateway to talk to.",
            why="gateway.mode is remote, and gateway.remote.url is not set",
            next_step="Set it: cara config set gateway.remote.url wss://HOST",
            exit_code=CONFIGURATION,
        )
    return gateway.remote.url


def _given(remote: Remote) -> tuple[str | None, str | None] | None:
    """What a person handed over for this very call."""
    if remote.token or remote.password:
        return remote.token, remote.password
    token, password = (lookup(os.environ, f"GATEWAY_{kind}")[0] for kind in ("TOKEN", "PASSWORD"))
    return (token, password) if token or password else None


def _configured(url: str, settings: Settings) -> tuple[str | None, str | None]:
    """What the file holds for this address."""
    gateway = settings.gateway
    if url == gateway.remote.url:
        return gateway.remote.token, gateway.remote.password
    if _is_here(url, settings):
        return gateway.auth.token, gateway.auth.password
    return None, None


def is_this_machine(url: str) -> bool:
    """Whether `url` leads to a loopback address by its looks."""
    return urlsplit(url).hostname in _THIS_MACHINE


def _is_here(url: str, settings: Settings) -> bool:
    """Whether `url` is this machine's own gateway, not a tunnel to `gateway.remote`."""
    return url != settings.gateway.remote.url and (
        is_this_machine(url) or urlsplit(url).hostname == urlsplit(_local_url(settings)).hostname
    )


async def _from_vault(paths: Paths) -> tuple[str | None, Identity]:
    vault = await open_vault(paths.state_dir, os.environ)
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
