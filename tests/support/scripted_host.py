"""A plugin host whose guests are Python functions; it keeps to the promises of `PluginHost`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.guest import Guest
from carapace.plugins.ports import HostState, Instance, LoadedPlugin, RunPhase

__all__ = ["Called", "ScriptedHost", "guest_of"]


@dataclass(frozen=True)
class Called:
    """One call that reached a guest."""

    plugin_id: str
    interface: str
    function: str
    arguments: tuple[Any, ...]
    instance: Instance
    timeout_s: float | None


@dataclass
class ScriptedHost:
    """Satisfies `carapace.plugins.ports.PluginHost`.

    `scripts` has a function for each `interface.function`, of one plugin if the key begins with
    its id and a colon. It gets the arguments; it may be async, and may raise what a guest may.
    """

    scripts: dict[str, Callable[..., Any]] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)
    started: dict[str, LoadedPlugin] = field(default_factory=dict)
    states: dict[str, HostState] = field(default_factory=dict)
    fails_to_start: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    def script(self, name: str, answer: Callable[..., Any]) -> None:
        """Answer calls of `interface.function` so."""
        self.scripts[name] = answer

    def made(self, interface: str, function: str) -> list[Called]:
        """The calls of one function so far."""
        return [one for one in self.calls if (one.interface, one.function) == (interface, function)]

    async def called(self, interface: str, function: str, count: int = 1) -> list[Called]:
        """The same, once there are that many."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: len(self.made(interface, function)) >= count)
        return self.made(interface, function)

    def lose(self, plugin_id: str) -> None:
        """Its worker process ended and a new one has taken over."""
        old = self.states[plugin_id]
        self.states[plugin_id] = HostState(
            phase=RunPhase.RUNNING, generation=old.generation + 1, restarts=old.restarts + 1
        )

    async def start(self, plugin: LoadedPlugin) -> None:
        if plugin.id in self.fails_to_start:
            raise PluginUnavailable(self.fails_to_start[plugin.id])
        self.started[plugin.id] = plugin
        self.states[plugin.id] = HostState(phase=RunPhase.RUNNING, generation=1)

    async def call(
        self,
        plugin_id: str,
        interface: str,
        function: str,
        *arguments: Any,
        timeout_s: float | None = None,
        instance: Instance = "fresh",
    ) -> Any:
        if self.state(plugin_id).phase is not RunPhase.RUNNING:
            raise PluginUnavailable(f"the plugin {plugin_id} does not run")
        # What cannot travel as JSON must not pass here either.
        travelled = tuple(msgspec.json.decode(msgspec.json.encode(one)) for one in arguments)
        call = Called(plugin_id, interface, function, travelled, instance, timeout_s)
        self.calls.append(call)
        async with self._changed:
            self._changed.notify_all()
        name = f"{interface}.{function}"
        script = self.scripts.get(f"{plugin_id}:{name}") or self.scripts.get(name)
        if script is None:
            raise AssertionError(f"nothing is scripted for {name}")
        answer = script(*travelled)
        return await answer if inspect.isawaitable(answer) else answer

    async def stop(self, plugin_id: str, *, drain_s: float = 5.0) -> None:
        self.started.pop(plugin_id, None)
        self.states.pop(plugin_id, None)

    def state(self, plugin_id: str) -> HostState:
        return self.states.get(plugin_id, HostState(phase=RunPhase.STOPPED))

    async def aclose(self) -> None:
        self.started.clear()
        self.states.clear()


def guest_of(host: ScriptedHost, plugin_id: str = "parrot") -> Guest:
    """A plugin that runs on `host`."""
    host.states.setdefault(plugin_id, HostState(phase=RunPhase.RUNNING, generation=1))
    return Guest(host, plugin_id)
