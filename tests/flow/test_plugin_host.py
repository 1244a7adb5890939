"""A component from its bytes to its answers: compiled in a child, run in a worker, by the host."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable, TrapKind
from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.supervisor import House
from carapace.plugins.ports import (
    CapabilityCall,
    Grants,
    LoadedPlugin,
    PluginLimits,
    Rate,
    Rates,
    RunPhase,
)
from support.guests import HAZARDS, wasm
from support.plugin_house import HouseUnderTest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="workers speak over Unix sockets"),
]


async def config(function: str, arguments: list[Any]) -> Any:
    """The capability, for guests that ask for it."""
    assert function == "get"
    if arguments == ["hang"]:
        await asyncio.sleep(60)
    return f"the value of {arguments[0]}"


lines: list[str] = []


async def log(function: str, arguments: list[Any]) -> None:
    """The capability, for guests that have something to say."""
    assert function == "emit"
    lines.append(arguments[1])


@asynccontextmanager
async def plugin_host(folder: Path) -> AsyncGenerator[WorkerHost]:
    """A host with the real compiler and the real worker."""
    under_test = HouseUnderTest(folder)
    shared = under_test.house
    cache = AotCache(folder / "plugin-cache", b"k" * 32, audit=shared.audit)
    house = House(
        artifacts=CompiledPlugins(cache, Compiler()),
        clock=shared.clock,
        audit=shared.audit,
        metrics=shared.metrics,
        on_change=shared.on_change,
    )
    host = WorkerHost(house)
    try:
        yield host
    finally:
        await host.aclose()


def plugin(folder: Path, name: str, *granted: str, **limits: Any) -> LoadedPlugin:
    """One of the hazards, as a package would be."""
    data = wasm(HAZARDS[name])
    path = folder / f"{name}.wasm"
    path.write_bytes(data)
    known: dict[str, CapabilityCall] = {"config": config, "log": log}
    return LoadedPlugin(
        id=name,
        version="1.0.0",
        wasm=path,
        wasm_sha256=hashlib.sha256(data).hexdigest(),
        roles=frozenset({"tool"}),
        grants=Grants(frozenset(granted)),
        capabilities={one: known[one] for one in granted},
        limits=PluginLimits(**limits),
    )


async def test_a_component_is_compiled_loaded_called_and_gone(tmp_path):
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, "echo"))
        assert await host.call("echo", "manifest", "describe") == {
            "id": "guest",
            "version": "1.0.0",
        }
        assert await host.call("echo", "tool", "invoke", "any", "hello") == "hello"
        pid = host.state("echo").pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_compiled_code_of_an_earlier_life_is_used_again(tmp_path):
    for _ in range(2):
        async with plugin_host(tmp_path) as host:
            await host.start(plugin(tmp_path, "echo"))
            assert await host.call("echo", "tool", "invoke", "any", "x") == "x"
        assert len(list((tmp_path / "plugin-cache").iterdir())) == 1


async def test_a_host_call_goes_through_the_capability(tmp_path):
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, "hang", "config"))
        assert await host.call("hang", "tool", "invoke", "x", "a.b") == "the value of a.b"


async def test_a_guest_that_floods_the_log_is_cut_short_and_the_gateway_lives_on(tmp_path):
    lags: list[float] = []

    async def live() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            lags.append(time.perf_counter() - began)

    lines.clear()
    async with plugin_host(tmp_path) as host:
        rates = Rates(log=Rate(per_s=1.0, burst=10))
        await host.start(plugin(tmp_path, "logs-ever", "log", rates=rates))
        living = asyncio.get_running_loop().create_task(live())
        with pytest.raises(GuestTrap) as caught:
            await host.call("logs-ever", "tool", "invoke", "x", "a line", timeout_s=0.5)
        living.cancel()
        assert caught.value.kind == "deadline"
        assert host.state("logs-ever").pid is not None, "its own deadline stopped it"
    assert 10 <= len(lines) <= 13
    assert sorted(lags)[len(lags) // 2] < 0.02


async def test_an_import_that_is_not_granted_never_starts(tmp_path):
    async with plugin_host(tmp_path) as host:
        with pytest.raises(PluginUnavailable, match="carapace:plugin/config"):
            await host.start(plugin(tmp_path, "hang"))
        assert host.state("hang").phase is RunPhase.STOPPED


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("recurse", "stack"),
        ("flood", "output"),
        ("huge", "size"),
        ("crash", "crash"),
        ("beyond", "crash"),
    ],
)
async def test_a_hazard_ends_with_its_kind_and_costs_no_process(
    tmp_path, name: str, kind: TrapKind
):
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, name))
        for _ in range(2):
            with pytest.raises(GuestTrap) as caught:
                await host.call(name, "tool", "invoke", "x", "")
            assert caught.value.kind == kind
        assert host.state(name).restarts == 0


@pytest.mark.parametrize(
    ("name", "text", "granted"),
    [("spin", "", ()), ("sleep", "", ()), ("hang", "hang", ("config",))],
)
async def test_a_guest_that_does_not_end_is_ended_and_its_sibling_never_notices(
    tmp_path, name: str, text: str, granted: tuple[str, ...]
):
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, name, *granted))
        await host.start(plugin(tmp_path, "echo"))

        async def stopped() -> float:
            began_s = time.monotonic()
            with pytest.raises(GuestTrap) as caught:
                await host.call(name, "tool", "invoke", "x", text, timeout_s=0.3)
            assert caught.value.kind == "deadline"
            return time.monotonic() - began_s

        late_s: list[float] = []
        for _ in range(5):  # the best of some, for a busy machine
            waiting = asyncio.ensure_future(stopped())
            while not waiting.done():
                assert await host.call("echo", "tool", "invoke", "x", "y") == "y"
            late_s.append(waiting.result() - 0.3)
            if late_s[-1] < 0.1:
                break
        assert min(late_s) < 0.1


async def test_an_error_of_the_guest_keeps_its_fields(tmp_path):
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, "error"))
        with pytest.raises(GuestError) as caught:
            await host.call("error", "tool", "invoke", "x", "")
        assert (caught.value.code, caught.value.retry_after_ms) == ("NO", 1500)


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc")
async def test_a_worker_has_nothing_of_the_gateways_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CARAPACE_CANARY", "canary-7f3a")
    async with plugin_host(tmp_path) as host:
        await host.start(plugin(tmp_path, "echo"))
        await host.call("echo", "tool", "invoke", "x", "y")
        pid = host.state("echo").pid
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"canary" not in environ + command
