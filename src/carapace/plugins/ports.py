"""What the parts of this room, and the rooms above, know of each other.

A plugin reaches the host as a `LoadedPlugin`: verified, with its grants decided and its
capabilities bound. Nothing in here knows files of a package, settings, or WebAssembly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from carapace.value import Value

__all__ = [
    "DEFAULT_CALL_TIMEOUT_S",
    "CapabilityCall",
    "Grants",
    "HostState",
    "Instance",
    "KeyVault",
    "LoadedPlugin",
    "PluginHost",
    "PluginLimits",
    "Rate",
    "Rates",
    "RunPhase",
]

DEFAULT_CALL_TIMEOUT_S: Final = 10.0

Instance = Literal["fresh", "service"]
"""A new one for this call, or the one that lives on."""

CapabilityCall = Callable[[str, list[Any]], Awaitable[Any]]
"""Function and arguments of one import interface; raises `GuestError` for the err arm."""


class Grants(Value, frozen=True):
    """What the plugin may import.

    Attributes:
        interfaces: Names of import interfaces of the contract, such as `kv`; those that need
            no permission are among them.
    """

    interfaces: frozenset[str]


class Rate(Value, frozen=True, kw_only=True):
    """How often something may be asked for.

    Attributes:
        per_s: What flows back each second.
        burst: At once, at least 1.
    """

    per_s: float
    burst: int


class Rates(Value, frozen=True, kw_only=True):
    """Host calls of one plugin, by what they cost the gateway."""

    http: Rate = Rate(per_s=20.0, burst=100)
    log: Rate = Rate(per_s=20.0, burst=200)
    kv: Rate = Rate(per_s=500.0, burst=2_000)
    inbound: Rate = Rate(per_s=50.0, burst=500)


class PluginLimits(Value, frozen=True, kw_only=True):
    """What a plugin may use up.

    Attributes:
        memory_bytes: Of one instance.
        call_timeout_s: Of a call whose caller names no deadline.
        max_output_bytes: What one call may print; more ends it.
        max_waiting: Calls that wait for the worker; one more is refused.
        rates: How often it may ask the gateway.
    """

    memory_bytes: int = 64 * 1024 * 1024
    call_timeout_s: float = DEFAULT_CALL_TIMEOUT_S
    max_output_bytes: int = 64 * 1024
    max_waiting: int = 64
    rates: Rates = Rates()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPlugin:
    """A plugin that may run.

    Attributes:
        id: As its manifest says, `^[a-z][a-z0-9-]{1,31}$`.
        version: Semantic version.
        wasm: The component. Its bytes are checked against `wasm_sha256` when they are compiled.
        wasm_sha256: In hex, as its signature covers it.
        roles: Export interfaces it must have, without `manifest`.
        grants: What it may import.
        capabilities: By import interface; what is granted must be here.
        limits: What it may use up.
    """

    id: str
    version: str
    wasm: Path
    wasm_sha256: str
    roles: frozenset[str]
    grants: Grants
    capabilities: Mapping[str, CapabilityCall] = field(repr=False)
    limits: PluginLimits = field(default_factory=PluginLimits)


class RunPhase(StrEnum):
    """Where a plugin is in its life."""

    STOPPED = "stopped"  # not known to the host
    STARTING = "starting"  # being compiled or loaded
    RUNNING = "running"
    IDLE = "idle"  # unused for a while; its process was ended and comes back with the next call
    RESTARTING = "restarting"  # its process was lost
    QUARANTINED = "quarantined"  # its process was lost too often
    STOPPING = "stopping"  # finishes what it has begun


class HostState(Value, frozen=True, kw_only=True):
    """How a plugin is, as the host sees it.

    Attributes:
        phase: Where it is in its life.
        reason: Why, for people; empty where there is nothing to say.
        generation: What the service instance had in memory is gone when this has changed: its
            worker was lost or ended, or the instance trapped.
        restarts: Processes that replaced a lost one.
        pid: Of the worker, while there is one.
        retry_at_ms: When a quarantined plugin is tried again.
    """

    phase: RunPhase
    reason: str = ""
    generation: int = 0
    restarts: int = 0
    pid: int | None = None
    retry_at_ms: int | None = None


class PluginHost(Protocol):
    """Runs plugins."""

    async def start(self, plugin: LoadedPlugin) -> None:
        """Bring it up. A running one of that id goes on until the new one is ready, then ends.

        Raises:
            PluginUnavailable: If it does not load; the old one, if any, then still runs.
        """
        ...

    async def call(
        self,
        plugin_id: str,
        interface: str,
        function: str,
        *arguments: Any,
        timeout_s: float | None = None,
        instance: Instance = "fresh",
    ) -> Any:
        """Call an export; see `wit/` for names and shapes.

        Args:
            plugin_id: Of a plugin that was started.
            interface: Export interface, e.g. `tool`.
            function: Its function.
            *arguments: As they travel: plain JSON values.
            timeout_s: From when the guest begins, and again as the longest wait for that; the
                plugin's own `call_timeout_s` if None.
            instance: Which one. A call of `service` reaches the instance that is there when the
                call is made (see `HostState.generation`), or none: another may not be started.

        Raises:
            GuestError: The err arm of the function's result.
            GuestTrap: It broke a limit or crashed. It may have done what it was asked.
            PluginUnavailable: It was surely not called.
        """
        ...

    async def stop(self, plugin_id: str, *, drain_s: float = 5.0) -> None:
        """End it: take no new calls, let those that run end for `drain_s` seconds."""
        ...

    def state(self, plugin_id: str) -> HostState:
        """How it is; `STOPPED` if it is not known."""
        ...

    async def aclose(self) -> None:
        """End all of them at once; nothing is left behind."""
        ...


class KeyVault(Protocol):
    """Where the key lives that vouches for compiled plugins."""

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name, or what `make` gives if there is none."""
        ...
