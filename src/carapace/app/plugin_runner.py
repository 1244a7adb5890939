"""Runs what is installed: satisfies `PluginRuntime`, and knows the bridge of each plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from carapace.app.plugin_bridge import PluginBridge, PluginRooms
from carapace.errors import GatewayError, Refused
from carapace.plugins.guest import Guest
from carapace.plugins.package.installed import InstalledPlugin
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.ports import HostState, RunPhase
from carapace.telemetry.log import get_logger

__all__ = ["CLOSE_DEADLINE_S", "PluginRunner"]

CLOSE_DEADLINE_S: Final = 2.0

_log = get_logger(__name__)


class PluginRunner:
    """The plugins that run. The installer asks for one thing at a time.

    Args:
        rooms: The house.
    """

    def __init__(self, rooms: PluginRooms) -> None:
        self._rooms = rooms
        self._running: dict[str, PluginBridge] = {}

    async def add(self, installed: InstalledPlugin) -> None:
        """Run it, in place of the version that runs, if one does; see `PluginRuntime`.

        Raises:
            GatewayError: If it cannot be started; what ran before runs again.
        """
        new = PluginBridge(installed, self._rooms)
        old = self._running.get(installed.id)
        try:
            await new.start()
            await new.ask()
        except GatewayError:
            await new.close()
            await self._undo(installed.id, old)
            raise
        if old is not None:
            await old.close()
        try:
            await new.attach()
        except GatewayError:
            await new.close()
            self._running.pop(installed.id, None)
            await self._back(installed.id, old)
            raise
        self._running[installed.id] = new
        _log.info("plugin runs", plugin=installed.id, version=installed.version)

    async def remove(self, plugin_id: str) -> None:
        """End it; one that does not run is fine."""
        bridge = self._running.pop(plugin_id, None)
        if bridge is not None:
            await bridge.close()
        await self._rooms.host.stop(plugin_id)

    def state(self, plugin_id: str) -> HostState:
        """How it is; `STOPPED` if it does not run. It runs once it is in its place."""
        state = self._rooms.host.state(plugin_id)
        if plugin_id not in self._running and state.phase is RunPhase.RUNNING:
            return replace(state, phase=RunPhase.STARTING)
        return state

    def apply(self) -> None:
        """Changed settings reach the plugins that run."""
        for bridge in self._running.values():
            bridge.apply()

    def guest(self, plugin_id: str, role: str) -> Guest:
        """A running plugin that has this role.

        Raises:
            Refused: If there is none.
        """
        return self._bridge(plugin_id, role).guest

    def manifest(self, plugin_id: str, role: str) -> Manifest:
        """Its manifest; as `guest`."""
        return self._bridge(plugin_id, role).manifest

    def troubles(self) -> Iterator[str]:
        """What is not well, for people."""
        for plugin_id, bridge in self._running.items():
            yield from (f"{plugin_id}: {trouble}" for trouble in bridge.troubles())

    async def aclose(self, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        """Take all out at once, and end their processes at the latest after `deadline_s`."""
        bridges = list(self._running.values())
        self._running.clear()
        try:
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for bridge in bridges:
                    group.create_task(bridge.close())
        except TimeoutError:
            _log.warning("plugins did not stop in time; their processes are ended")
        finally:
            await self._rooms.host.aclose()

    def _bridge(self, plugin_id: str, role: str) -> PluginBridge:
        bridge = self._running.get(plugin_id)
        if bridge is None:
            raise Refused(
                f"The plugin {plugin_id} does not run. See: cara plugin list", code="UNAVAILABLE"
            )
        if role not in bridge.manifest.roles:
            raise Refused(f"The plugin {plugin_id} has nothing of the kind: it is no {role}.")
        return bridge

    async def _undo(self, plugin_id: str, old: PluginBridge | None) -> None:
        """The new version is no good; the old one is still in place everywhere but the host."""
        if old is None:
            await self._rooms.host.stop(plugin_id, drain_s=0.0)
            return
        try:
            await old.start()
        except GatewayError as error:
            _log.error("plugin did not start again", plugin=plugin_id, why=error.message)

    async def _back(self, plugin_id: str, old: PluginBridge | None) -> None:
        """The new version was taken out again; put the old one back in place."""
        await self._rooms.host.stop(plugin_id, drain_s=0.0)
        if old is None:
            return
        try:
            await self.add(old.installed)
        except GatewayError as error:
            _log.error("plugin did not start again", plugin=plugin_id, why=error.message)
