"""What the host is told of a plugin, and what it tells."""

from __future__ import annotations

import inspect
from pathlib import Path

from carapace.plugins.host.service import WorkerHost
from carapace.plugins.ports import (
    DEFAULT_CALL_TIMEOUT_S,
    Grants,
    HostState,
    LoadedPlugin,
    PluginHost,
    PluginLimits,
    RunPhase,
)


def test_limits_are_those_the_documentation_promises():
    limits = PluginLimits()
    assert limits.memory_bytes == 64 << 20
    assert limits.call_timeout_s == DEFAULT_CALL_TIMEOUT_S == 10.0


def test_a_loaded_plugin_does_not_print_what_its_capabilities_hold():
    async def kv(function: str, arguments: list[object]) -> object:
        return function, arguments

    plugin = LoadedPlugin(
        id="zalo",
        version="1.0.0",
        wasm=Path("plugin.wasm"),
        wasm_sha256="00" * 32,
        roles=frozenset({"tool"}),
        grants=Grants(frozenset({"kv"})),
        capabilities={"kv": kv},
    )
    assert "capabilities" not in repr(plugin)


def test_a_state_is_of_a_plugin_that_was_never_there_until_told_otherwise():
    assert HostState(phase=RunPhase.STOPPED) == HostState(
        phase=RunPhase.STOPPED, reason="", generation=0, restarts=0, pid=None, retry_at_ms=None
    )


def test_the_real_host_has_all_that_the_port_promises():
    promised = {
        name: inspect.signature(member)
        for name, member in vars(PluginHost).items()
        if not name.startswith("_") and inspect.isfunction(member)
    }
    assert set(promised) == {"start", "call", "stop", "state", "aclose"}
    for name, signature in promised.items():
        assert inspect.signature(getattr(WorkerHost, name)) == signature, name
