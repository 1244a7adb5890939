"""A house of plugins around the worker of `support.plugin_worker`: real processes, no engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carapace.clock import Clock, SystemClock
from carapace.plugins.errors import GuestError, PluginUnavailable
from carapace.plugins.host.crashes import CrashRules
from carapace.plugins.host.sealed import Artifact, Draft
from carapace.plugins.host.supervisor import House
from carapace.plugins.ports import CapabilityCall, Grants, LoadedPlugin, PluginLimits
from carapace.telemetry.metrics import Metrics
from support.egress import AuditTrail
from support.plugin_worker import COMMAND

__all__ = ["Artifacts", "HouseUnderTest", "a_plugin", "sealed"]


def sealed(data: bytes) -> Artifact:
    """Sealed bytes."""
    draft = Draft()
    draft.write(data)
    return draft.seal()


class Artifacts:
    """Gives what the worker is to do when it loads; the last wish stays.

    Attributes:
        wishes: How the next workers load.
        anew: For each that was asked for, whether it had to be compiled anew.
        trouble: Raised instead, if set.
        gate: Nothing is given while it is cleared.
    """

    def __init__(self, *wishes: str) -> None:
        self.wishes = list(wishes) or ["ok"]
        self.anew: list[bool] = []
        self.trouble: PluginUnavailable | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def artifact(self, plugin: LoadedPlugin, *, anew: bool = False) -> Artifact:
        self.anew.append(anew)
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        wish = self.wishes.pop(0) if len(self.wishes) > 1 else self.wishes[0]
        return sealed(json.dumps({"load": wish}).encode())


class HouseUnderTest:
    """All that a supervisor shares, and what it leaves behind.

    Attributes:
        artifacts: How workers load.
        trail: The audit trail.
        metrics: The figures.
        changed: Ids that were told as changed, in order.
        house: What a supervisor is given.
    """

    def __init__(
        self,
        folder: Path,
        *wishes: str,
        clock: Clock | None = None,
        rules: CrashRules | None = None,
        idle_stop_s: float = 900.0,
    ) -> None:
        self.artifacts = Artifacts(*wishes)
        self.trail = AuditTrail(folder / "audit")
        self.metrics = Metrics("0", with_process=False)
        self.changed: list[str] = []
        self.house = House(
            artifacts=self.artifacts,
            clock=clock or SystemClock(),
            audit=self.trail.audit,
            metrics=self.metrics,
            on_change=self.changed.append,
            rules=rules or CrashRules(),
            idle_stop_s=idle_stop_s,
            command=COMMAND,
        )

    def figure(self, name: str, **labels: str) -> float:
        """A sample of the metrics; 0.0 if there is none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def _kv(function: str, arguments: list[Any]) -> Any:
    if function == "fail":
        raise GuestError("no-such-key", "there is no such key", retryable=True)
    if function == "break":
        raise ValueError("the password is hunter2")
    return [function, arguments]


def a_plugin(
    plugin_id: str = "hello",
    *,
    roles: frozenset[str] = frozenset({"tool"}),
    capabilities: Mapping[str, CapabilityCall] | None = None,
    limits: PluginLimits | None = None,
    version: str = "1.0.0",
) -> LoadedPlugin:
    """A plugin with `kv` (echoes; `fail` and `break` do so), or with what is given."""
    granted = {"kv": _kv} if capabilities is None else capabilities
    return LoadedPlugin(
        id=plugin_id,
        version=version,
        wasm=Path("plugin.wasm"),
        wasm_sha256="00" * 32,
        roles=roles,
        grants=Grants(frozenset(granted)),
        capabilities=granted,
        limits=limits or PluginLimits(),
    )
