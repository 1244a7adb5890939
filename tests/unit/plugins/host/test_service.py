"""Many plugins side by side: each on its own, none in the way of the gateway."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carapace.plugins.errors import GuestTrap, PluginUnavailable
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.ports import PluginLimits, RunPhase
from support.descriptors import of_children
from support.plugin_house import HouseUnderTest, a_plugin
from support.polling import until

pytestmark = pytest.mark.slow  # each starts processes

DEADLINE_S = 30.0


@asynccontextmanager
async def hosting(house: HouseUnderTest) -> AsyncGenerator[WorkerHost]:
    host = WorkerHost(house.house)
    try:
        yield host
    finally:
        await host.aclose()


def children() -> set[str]:
    pid = os.getpid()
    return set(Path(f"/proc/self/task/{pid}/children").read_text().split())


async def test_a_plugin_is_started_called_and_stopped(tmp_path: Path):
    async with hosting(HouseUnderTest(tmp_path)) as host:
        assert host.state("hello").phase is RunPhase.STOPPED
        await host.start(a_plugin())
        assert host.state("hello").phase is RunPhase.RUNNING
        assert await host.call("hello", "tool", "echo", 1, "two") == [1, "two"]
        await host.stop("hello")
        assert host.state("hello").phase is RunPhase.STOPPED
        with pytest.raises(PluginUnavailable, match="not running: see cara plugin list"):
            await host.call("hello", "tool", "echo")
        await host.stop("hello")


async def test_the_deadline_is_the_plugins_own_unless_the_caller_names_one(tmp_path: Path):
    async with hosting(HouseUnderTest(tmp_path)) as host:
        await host.start(a_plugin(limits=PluginLimits(call_timeout_s=0.2)))
        began = time.monotonic()
        with pytest.raises(GuestTrap):
            await host.call("hello", "tool", "late")
        assert 0.19 < time.monotonic() - began < 5.0
        began = time.monotonic()
        with pytest.raises(GuestTrap):
            await host.call("hello", "tool", "late", timeout_s=0.05)
        assert 0.04 < time.monotonic() - began < 5.0


async def test_an_upgrade_takes_over_when_it_is_ready_and_no_call_is_lost(tmp_path: Path):
    async with hosting(HouseUnderTest(tmp_path)) as host:
        await host.start(a_plugin())
        old = host.state("hello")
        async with asyncio.TaskGroup() as group:
            before = group.create_task(host.call("hello", "tool", "nap", 300))
            await asyncio.sleep(0)
            await host.start(a_plugin(version="1.1.0"))
        assert before.result() == "rested"
        new = host.state("hello")
        assert new.phase is RunPhase.RUNNING
        assert new.pid != old.pid
        assert new.generation > old.generation


async def test_an_upgrade_that_does_not_load_leaves_the_old_one_running(tmp_path: Path):
    house = HouseUnderTest(tmp_path, "ok", "refuse")
    async with hosting(house) as host:
        await host.start(a_plugin())
        with pytest.raises(PluginUnavailable, match=r"hello 1\.1\.0 cannot run"):
            await host.start(a_plugin(version="1.1.0"))
        assert await host.call("hello", "tool", "echo", 1) == [1]


async def test_generations_grow_over_stop_and_start(tmp_path: Path):
    async with hosting(HouseUnderTest(tmp_path)) as host:
        await host.start(a_plugin())
        first = host.state("hello").generation
        await host.stop("hello")
        await host.start(a_plugin())
        assert host.state("hello").generation > first


async def test_starts_of_one_plugin_at_once_leave_one_process(tmp_path: Path):
    before = len(children())
    async with hosting(HouseUnderTest(tmp_path)) as host:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(host.start(a_plugin()))
        assert len(children()) == before + 1


async def test_a_hundred_calls_over_ten_plugins_are_answered_and_the_loop_goes_on(tmp_path: Path):
    lags: list[float] = []

    async def watch_lag() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.002)
            lags.append(time.perf_counter() - began - 0.002)

    names = [f"plugin-{n}" for n in range(10)]
    house = HouseUnderTest(tmp_path)
    async with hosting(house) as host:
        for name in names:
            await host.start(a_plugin(name))
        watch = asyncio.get_running_loop().create_task(watch_lag())
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(host.call(name, "tool", "echo", n))
                for n in range(10)
                for name in names
            ]
        took_s = time.monotonic() - began
        watch.cancel()
        assert [call.result() for call in calls] == [[n] for n in range(10) for _ in names]
    lags.sort()
    print(f"100 calls in {took_s:.3f} s, lag p99 {lags[int(len(lags) * 0.99)] * 1000:.1f} ms")
    assert lags[len(lags) // 2] < 0.02


async def test_a_stuck_plugin_disturbs_neither_its_siblings_nor_the_gateway(tmp_path: Path):
    async with hosting(HouseUnderTest(tmp_path)) as host:
        await host.start(a_plugin("stuck"))
        await host.start(a_plugin("sibling"))
        stuck = asyncio.get_running_loop().create_task(
            host.call("stuck", "tool", "spin", timeout_s=0.5)
        )
        answered = 0
        while not stuck.done():
            assert await host.call("sibling", "tool", "echo", answered) == [answered]
            answered += 1
        with pytest.raises(GuestTrap):
            await stuck
        assert answered > 10
        assert host.state("sibling").restarts == 0
        assert await host.call("stuck", "tool", "echo", "again") == ["again"]


async def test_the_end_leaves_no_process_no_descriptor_and_no_task(tmp_path: Path):
    before = of_children(), children(), len(asyncio.all_tasks())
    house = HouseUnderTest(tmp_path)
    cut: list[str] = []
    async with hosting(house) as host:
        for name in ("busy", "calm", "crashed"):
            await host.start(a_plugin(name))
        house.trail.audit.close()

        async def be_cut() -> None:
            try:
                await host.call("busy", "tool", "spin")
            except GuestTrap as trap:
                cut.append(trap.kind)

        await host.call("busy", "tool", "echo", "it is there")
        busy = asyncio.get_running_loop().create_task(be_cut())
        with pytest.raises(GuestTrap):
            await host.call("crashed", "tool", "crash")
        began = time.monotonic()
        await host.aclose()
        assert time.monotonic() - began < 5.0
        await busy
    house.trail.audit.close()
    await asyncio.sleep(0)
    assert cut == ["lost"]
    assert not of_children() - before[0]
    assert (children(), len(asyncio.all_tasks())) == before[1:]


async def test_a_plugin_that_is_being_loaded_says_so(tmp_path: Path):
    house = HouseUnderTest(tmp_path)
    house.artifacts.gate.clear()
    async with hosting(house) as host, asyncio.TaskGroup() as group:
        group.create_task(host.start(a_plugin()))
        await until(lambda: house.artifacts.anew)
        assert host.state("hello").phase is RunPhase.STARTING
        assert house.changed == ["hello"]
        with pytest.raises(PluginUnavailable, match="not running"):
            await host.call("hello", "tool", "echo")
        house.artifacts.gate.set()


async def test_a_stop_that_is_broken_off_stops_all_the_same(tmp_path: Path):
    before = children()
    async with hosting(HouseUnderTest(tmp_path)) as host:
        await host.start(a_plugin())
        stuck = asyncio.get_running_loop().create_task(host.call("hello", "tool", "spin"))
        await until(host._running["hello"]._turn.locked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await host.stop("hello", drain_s=DEADLINE_S)
        assert host.state("hello").phase is RunPhase.STOPPED
        assert children() == before
        with pytest.raises(GuestTrap):
            await stuck


async def test_an_end_during_an_upgrade_leaves_neither_version(tmp_path: Path):
    before = children()
    host = WorkerHost(HouseUnderTest(tmp_path).house)
    await host.start(a_plugin())
    stuck = asyncio.get_running_loop().create_task(host.call("hello", "tool", "spin"))
    await until(host._running["hello"]._turn.locked)
    upgrade = asyncio.get_running_loop().create_task(host.start(a_plugin(version="1.1.0")))
    await until(lambda: host._ending, deadline_s=DEADLINE_S)
    await host.aclose()
    assert children() == before
    await upgrade
    with pytest.raises(GuestTrap):
        await stuck
    assert host.state("hello").phase is RunPhase.STOPPED


async def test_a_start_under_way_ends_with_the_host_and_none_begins_afterwards(tmp_path: Path):
    before = children()
    host = WorkerHost(HouseUnderTest(tmp_path, "hang").house)
    starting = asyncio.get_running_loop().create_task(host.start(a_plugin()))
    await until(lambda: children() != before, deadline_s=DEADLINE_S)
    await host.aclose()
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await starting
    assert children() == before
    with pytest.raises(PluginUnavailable, match="the gateway is stopping"):
        await host.start(a_plugin())
