"""All running plugins: what the rest of the gateway holds of this room."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.supervisor import House, Supervisor
from carapace.plugins.ports import HostState, Instance, LoadedPlugin, RunPhase

__all__ = ["WorkerHost"]

_STOPPED = HostState(phase=RunPhase.STOPPED)


class WorkerHost:
    """Runs each plugin in a process of its own; satisfies `PluginHost`.

    Args:
        house: What all of them share.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._running: dict[str, Supervisor] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._starting: dict[str, Supervisor] = {}
        self._ending: set[Supervisor] = set()
        self._generations = itertools.count(1)
        self._is_closed = False

    async def start(self, plugin: LoadedPlugin) -> None:
        """Bring it up. A running one of that id goes on until the new one is ready, then ends.

        Raises:
            PluginUnavailable: If it does not load; the old one, if any, then still runs.
        """
        async with self._lock(plugin.id):
            self._need_open()
            old = self._running.get(plugin.id)
            new = Supervisor(plugin, self._house, self._generations)
            self._starting[plugin.id] = new
            self._house.on_change(plugin.id)
            try:
                await new.open()
            finally:
                del self._starting[plugin.id]
            self._running[plugin.id] = new
            if old is not None:
                await self._end(old, plugin.limits.call_timeout_s)
            self._house.on_change(plugin.id)

    async def call(
        self,
        plugin_id: str,
        interface: str,
        function: str,
        *arguments: Any,
        timeout_s: float | None = None,
        instance: Instance = "fresh",
    ) -> Any:
        """Call an export; see `PluginHost.call`.

        Raises:
            GuestError: The err arm of the function's result.
            GuestTrap: It broke a limit or crashed. It may have done what it was asked.
            PluginUnavailable: It was surely not called.
        """
        supervisor = self._running.get(plugin_id)
        if supervisor is None:
            raise PluginUnavailable(
                f"the plugin {plugin_id} is not running: see cara plugin list", retryable=False
            )
        deadline_s = supervisor.plugin.limits.call_timeout_s if timeout_s is None else timeout_s
        return await supervisor.call(
            interface, function, arguments, timeout_s=deadline_s, instance=instance
        )

    async def stop(self, plugin_id: str, *, drain_s: float = 5.0) -> None:
        """End it: take no new calls, let those that run end for `drain_s` seconds."""
        async with self._lock(plugin_id):
            supervisor = self._running.get(plugin_id)
            if supervisor is None:
                return
            try:
                await self._end(supervisor, drain_s)
            finally:
                self._running.pop(plugin_id, None)
        self._house.on_change(plugin_id)

    def state(self, plugin_id: str) -> HostState:
        """How it is; `STOPPED` if it is not known."""
        supervisor = self._running.get(plugin_id) or self._starting.get(plugin_id)
        return _STOPPED if supervisor is None else supervisor.state()

    async def aclose(self) -> None:
        """End all of them at once; nothing is left behind."""
        self._is_closed = True
        async with asyncio.TaskGroup() as group:
            for supervisor in {*self._running.values(), *self._starting.values(), *self._ending}:
                group.create_task(supervisor.close(0.0))
        self._running.clear()

    async def _end(self, supervisor: Supervisor, drain_s: float) -> None:
        self._ending.add(supervisor)
        try:
            await supervisor.close(drain_s)
        finally:
            await supervisor.close(0.0)  # a caller in a hurry must leave no process behind
            self._ending.discard(supervisor)

    def _lock(self, plugin_id: str) -> asyncio.Lock:
        return self._changing.setdefault(plugin_id, asyncio.Lock())

    def _need_open(self) -> None:
        if self._is_closed:
            raise PluginUnavailable("the gateway is stopping", retryable=True)
