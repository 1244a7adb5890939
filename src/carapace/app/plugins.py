"""Plugins in the house: what people ask of them, and when their part of it is built.

A gateway without plugins has nothing of this but a name for the methods: no process, no folder,
no task, and none of the modules that are imported here in functions.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from carapace.credentials.ports import Vault
from carapace.errors import Failed, GatewayError
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.value import Value

if TYPE_CHECKING:
    from carapace.app.plugin_runner import PluginRunner
    from carapace.plugins.guest import Guest
    from carapace.plugins.package.installer import Installer
    from carapace.plugins.package.manifest import Manifest
    from carapace.plugins.package.report import PluginReport, Plugins

__all__ = ["BuildPlugins", "HousePlugins", "PluginWorks"]

_LOCK_KEY: Final = "plugin-lock-key"
_LOCK_KEY_BYTES: Final = 32
_log = get_logger(__name__)


class PluginWorks(Value, frozen=True):
    """What is built with the first plugin."""

    installer: Installer
    runner: PluginRunner


class BuildPlugins(Protocol):
    """Builds it; `app.plugin_works` does."""

    async def __call__(self, root: Path, lock_key: bytes) -> PluginWorks:
        """Around this folder and the key that vouches for the list in it.

        Raises:
            GatewayError: If it cannot be built.
        """
        ...


class HousePlugins:
    """The plugins of this gateway, for methods and for the life of the gateway.

    Args:
        root: The plugins folder; made by the first installation.
        vault: Has the key of the list of plugins.
        database: Where what a removed plugin kept is deleted.
        tasks: Own what follows a change of settings.
        build: Builds the rest.
    """

    def __init__(
        self, root: Path, vault: Vault, *, database: Database, tasks: Tasks, build: BuildPlugins
    ) -> None:
        self._root = root
        self._vault = vault
        self._database = database
        self._tasks = tasks
        self._build = build
        self._works: PluginWorks | None = None
        self._building = asyncio.Lock()
        self._is_closed = False

    async def start(self) -> None:
        """Run what shall run, if anything was ever installed."""
        if not self._is_closed and (self._works is not None or self._root.is_dir()):
            try:
                await (await self._all()).installer.settle()
            except GatewayError as error:
                _log.error("no plugin runs", why=error.message)

    def apply(self) -> None:
        """The settings changed; what follows from that is done in the background."""
        if self._works is not None:
            self._works.runner.apply()
        self._tasks.start(self.start(), name="apply plugins")

    def trouble(self) -> str | None:
        """What is not well with those that run; a readiness check."""
        if self._works is None:
            return None
        return "; ".join(self._works.runner.troubles()) or None

    def guest(self, plugin_id: str, role: str) -> Guest:
        """A running plugin that has this role.

        Raises:
            Refused: If there is none.
        """
        return self._runner().guest(plugin_id, role)

    def manifest(self, plugin_id: str, role: str) -> Manifest:
        """Its manifest; as `guest`."""
        return self._runner().manifest(plugin_id, role)

    # as `carapace.plugins.package.installer.Installer`

    async def list(self) -> Plugins:
        """All plugins, how they are and why."""
        return await (await self._all()).installer.list()

    async def install(self, source: str, *, accept: bool, by: str) -> PluginReport:
        """Get a package and use it, or keep it until somebody agreed."""
        return await (await self._all()).installer.install(source, accept=accept, by=by)

    async def upgrade(
        self, plugin_id: str, source: str | None, *, accept: bool, by: str
    ) -> PluginReport:
        """Likewise, for a plugin that is here."""
        installer = (await self._all()).installer
        return await installer.upgrade(plugin_id, source, accept=accept, by=by)

    async def consent(
        self, plugin_id: str, digest: str, *, accept: bool, by: str
    ) -> PluginReport | None:
        """Agree to what a waiting version asks for, or let go of it."""
        installer = (await self._all()).installer
        return await installer.consent(plugin_id, digest, accept=accept, by=by)

    async def switch(self, plugin_id: str, *, enabled: bool, by: str) -> PluginReport:
        """Let it run, or not."""
        return await (await self._all()).installer.switch(plugin_id, enabled=enabled, by=by)

    async def rollback(
        self, plugin_id: str, version: str | None, *, accept: bool, by: str
    ) -> PluginReport:
        """Use a version that is kept from before."""
        installer = (await self._all()).installer
        return await installer.rollback(plugin_id, version, accept=accept, by=by)

    async def remove(self, plugin_id: str, *, by: str) -> None:
        """End it, forget its versions, and delete what it kept."""
        from carapace.plugins.capabilities.leftovers import erase_plugin  # noqa: PLC0415 - see above

        await (await self._all()).installer.remove(plugin_id, by=by)
        await self._database.write(lambda tx: erase_plugin(tx, plugin_id))

    async def aclose(self) -> None:
        """End all of them."""
        self._is_closed = True
        async with self._building:
            works, self._works = self._works, None
        if works is not None:
            await works.runner.aclose()
            works.installer.close()

    def _runner(self) -> PluginRunner:
        if self._works is None:
            raise Failed("No plugin runs. See: cara plugin list")
        return self._works.runner

    async def _all(self) -> PluginWorks:
        async with self._building:
            if self._is_closed:
                raise Failed("the gateway is stopping", retryable=True)
            if self._works is None:
                self._works = await self._build(self._root, await self._lock_key())
            return self._works

    async def _lock_key(self) -> bytes:
        text = await self._vault.get_or_put(_LOCK_KEY, _new_key)
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _LOCK_KEY_BYTES:
            raise Failed(
                f"The vault's secret {_LOCK_KEY} is no key, so the list of plugins cannot be "
                "checked. Restore the vault from a backup."
            )
        return key


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(_LOCK_KEY_BYTES)).decode()
