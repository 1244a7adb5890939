"""One plugin: calls in order, losses replaced, quarantine, rest and end."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.host.crashes import CrashRules
from carapace.plugins.host.supervisor import Supervisor
from carapace.plugins.ports import Instance, PluginLimits, RunPhase
from support import polling
from support.clock import FakeClock
from support.descriptors import of_children
from support.plugin_house import HouseUnderTest, a_plugin

pytestmark = pytest.mark.slow  # each starts a process

DEADLINE_S = 20.0
until = functools.partial(polling.until, deadline_s=DEADLINE_S)


class Under:
    """A supervisor and its surroundings."""

    def __init__(self, house: HouseUnderTest, supervisor: Supervisor) -> None:
        self.house = house
        self.supervisor = supervisor

    async def call(
        self,
        function: str,
        *arguments: Any,
        timeout_s: float = DEADLINE_S,
        instance: Instance = "fresh",
    ) -> Any:
        return await self.supervisor.call(
            "tool", function, arguments, timeout_s=timeout_s, instance=instance
        )

    @property
    def phase(self) -> RunPhase:
        return self.supervisor.state().phase

    async def lose(self) -> None:
        """Kill the worker and wait until that is noticed."""
        pid, losses = self.supervisor.state().pid, self.supervisor.state().restarts
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: self.supervisor.state().restarts > losses)

    def kinds(self) -> list[str]:
        return [line["kind"] for line in self.house.trail.lines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@asynccontextmanager
async def running(
    house: HouseUnderTest,
    *,
    limits: PluginLimits | None = None,
    roles: frozenset[str] = frozenset({"tool"}),
    **plugin: Any,
) -> AsyncGenerator[Under]:
    supervisor = Supervisor(
        a_plugin(limits=limits, roles=roles, **plugin), house.house, itertools.count(1)
    )
    await supervisor.open()
    try:
        yield Under(house, supervisor)
    finally:
        await supervisor.close(0.0)


async def test_a_plugin_runs_answers_and_ends(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under:
        state = under.supervisor.state()
        assert (state.phase, state.generation, state.restarts) == (RunPhase.RUNNING, 1, 0)
        assert state.pid == await under.call("pid")
        assert house.figure("carapace_plugin_workers") == 1
    state = under.supervisor.state()
    assert (state.phase, state.pid) == (RunPhase.STOPPED, None)
    assert house.figure("carapace_plugin_workers") == 0
    assert house.figure("carapace_plugin_calls_total", plugin="hello", outcome="ok") == 1
    assert house.figure("carapace_plugin_call_seconds_count", plugin="hello") == 1
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await under.call("pid")


async def test_how_calls_end_is_counted(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under:
        with pytest.raises(GuestError):
            await under.call("fail", "no")
        with pytest.raises(GuestTrap):
            await under.call("trap", "memory")
        with pytest.raises(PluginUnavailable):
            await under.call("echo", "\ud800")
    for outcome in ("error", "memory", "unavailable"):
        assert house.figure("carapace_plugin_calls_total", plugin="hello", outcome=outcome) == 1


async def test_calls_that_cannot_be_written_as_json_are_an_error_of_the_caller(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        with pytest.raises(TypeError):
            await under.call("echo", object())
        assert await under.call("echo", 1) == [1]


async def test_calls_are_served_in_the_order_in_which_they_came(folder: Path):
    served: list[int] = []
    async with running(HouseUnderTest(folder)) as under:

        async def one(number: int) -> None:
            await under.call("nap", 5)
            served.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(one(number))
    assert served == list(range(8))


async def test_too_many_that_wait_are_refused_at_once(folder: Path):
    limits = PluginLimits(max_waiting=2)
    async with (
        running(HouseUnderTest(folder), limits=limits) as under,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(under.call("nap", 300))
        await until(under.supervisor._turn.locked)
        behind = [group.create_task(under.call("echo", n)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(PluginUnavailable, match="2 calls wait for it already") as caught:
            await under.call("echo")
        assert caught.value.retry_after_ms == 1_000
        assert await first == "rested"
        assert [await task for task in behind] == [[0], [1]]


async def test_one_that_waits_too_long_is_told_that_it_was_not_called(folder: Path):
    async with running(HouseUnderTest(folder)) as under, asyncio.TaskGroup() as group:
        group.create_task(under.call("nap", 300))
        await until(under.supervisor._turn.locked)
        with pytest.raises(PluginUnavailable, match="others had it for"):
            await under.call("count", timeout_s=0.02)
        assert await under.call("count") == 2, "the worker has seen two calls, not three"


async def test_a_caller_that_gives_up_in_the_queue_was_never_there(folder: Path):
    async with running(HouseUnderTest(folder)) as under, asyncio.TaskGroup() as group:
        group.create_task(under.call("nap", 200))
        await until(under.supervisor._turn.locked)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await under.call("count")
        assert await under.call("count") == 2


async def test_a_caller_that_gives_up_later_leaves_the_guest_to_finish(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        pid = under.supervisor.state().pid
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await under.call("nap", 200)
        assert await under.call("count") == 2
        assert under.supervisor.state().pid == pid, "the same process"


async def test_a_lost_worker_is_replaced_in_well_under_a_second(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under:
        began = time.monotonic()
        await under.lose()
        assert await under.call("echo", 1) == [1]
        assert time.monotonic() - began < 5.0, "0.2 s on a quiet machine"
        state = under.supervisor.state()
        assert (state.phase, state.generation, state.restarts) == (RunPhase.RUNNING, 2, 1)
        assert under.kinds() == ["plugin.lost"]
        assert house.figure("carapace_plugin_restarts_total", plugin="hello") == 1
        assert house.figure("carapace_plugin_workers") == 1


async def test_a_lost_worker_is_replaced_without_a_call(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        await under.lose()
        await until(lambda: under.phase is RunPhase.RUNNING)
        assert under.supervisor.state().generation == 2


async def test_the_call_that_lost_the_worker_fails_and_those_behind_it_succeed(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        results: list[Any] = []

        async def one(function: str) -> None:
            try:
                results.append(await under.call(function))
            except GuestTrap as trap:
                results.append(trap.kind)

        async with asyncio.TaskGroup() as group:
            group.create_task(one("crash"))
            for _ in range(3):
                group.create_task(one("count"))
        assert results == ["lost", 1, 2, 3], "sent once each, to the new process"


async def test_a_stuck_worker_is_killed_and_replaced(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        with pytest.raises(GuestTrap) as caught:
            await under.call("spin", timeout_s=0.1)
        assert caught.value.kind == "deadline"
        assert await under.call("echo", 1) == [1]
        assert under.supervisor.state().restarts == 1


async def test_a_worker_that_just_died_is_not_called(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        worker = under.supervisor._worker
        assert worker is not None
        worker.kill("a test killed it")
        assert await under.call("count") == 1
        assert under.house.trail.lines()[0]["reason"] == "a test killed it"
        assert under.supervisor.state().restarts == 1


async def test_a_call_that_a_dead_worker_never_read_is_made_on_the_next(folder: Path):
    async with running(HouseUnderTest(folder)) as under, asyncio.TaskGroup() as group:
        pid = under.supervisor.state().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        asked = group.create_task(under.call("count"))
        await until(under.supervisor._turn.locked)
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert await asked == 1
        assert under.supervisor.state().restarts == 1


async def test_a_second_loss_costs_a_pause_that_an_impatient_caller_does_not_wait_for(
    folder: Path,
):
    clock = FakeClock()
    async with running(HouseUnderTest(folder, clock=clock)) as under:
        await under.lose()
        await until(lambda: under.phase is RunPhase.RUNNING or not clock._sleepers)
        assert await under.call("echo", 1) == [1]
        await under.lose()
        with pytest.raises(PluginUnavailable, match="ended with SIGKILL") as caught:
            await under.call("echo", timeout_s=0.1)
        assert caught.value.retry_after_ms == 250
        assert under.phase is RunPhase.RESTARTING
        patient = asyncio.get_running_loop().create_task(under.call("echo", 2))
        await clock.advance(0.3)
        assert await patient == [2]


async def test_five_losses_put_it_in_quarantine_with_a_reason_and_a_time(folder: Path):
    clock = FakeClock()
    house = HouseUnderTest(folder, clock=clock)
    async with running(house) as under:
        for _ in range(4):
            await under.lose()
            await clock.advance(5.0)
            await until(lambda: under.phase is RunPhase.RUNNING)
        await under.lose()
        state = under.supervisor.state()
        assert state.phase is RunPhase.QUARANTINED
        assert state.retry_at_ms == clock.now_ms() + 600_000
        for part in ("5 times in 10 minutes", "SIGKILL", "UTC", "cara plugin enable hello"):
            assert part in state.reason
        assert under.kinds() == ["plugin.lost"] * 5 + ["plugin.quarantined"]
        with pytest.raises(PluginUnavailable, match="5 times in 10 minutes") as caught:
            await under.call("echo")
        assert caught.value.retry_after_ms == 600_000

        await clock.advance(600.0)
        await until(lambda: under.phase is RunPhase.RUNNING)
        assert await under.call("echo", 1) == [1]
        await under.lose()
        state = under.supervisor.state()
        assert state.phase is RunPhase.QUARANTINED, "it was on probation"
        assert state.retry_at_ms == clock.now_ms() + 1_200_000


async def test_those_that_wait_when_the_quarantine_begins_hear_of_it(folder: Path):
    house = HouseUnderTest(folder, rules=CrashRules(max_crashes=1))
    async with running(house) as under:
        results: list[str] = []

        async def one(function: str) -> None:
            try:
                await under.call(function)
            except (GuestTrap, PluginUnavailable) as error:
                results.append(type(error).__name__)

        async with asyncio.TaskGroup() as group:
            for function in ("crash", "count", "count"):
                group.create_task(one(function))
        assert results == ["GuestTrap", "PluginUnavailable", "PluginUnavailable"]


async def test_a_worker_that_does_not_come_back_counts_as_lost_again(folder: Path):
    clock = FakeClock()
    house = HouseUnderTest(folder, "ok", "crash", "ok", clock=clock)
    async with running(house) as under:
        await under.lose()
        await until(lambda: len(under.kinds()) == 2)
        assert "did not start again" in under.supervisor.state().reason
        await clock.advance(1.0)
        await until(lambda: under.phase is RunPhase.RUNNING)
        assert await under.call("echo", 1) == [1]


async def test_a_component_that_is_refused_leaves_nothing_and_is_recorded(folder: Path):
    house = HouseUnderTest(folder, "refuse")
    with pytest.raises(PluginUnavailable, match=r"hello 1\.0\.0 cannot run: it imports wasi:http"):
        async with running(house):
            raise AssertionError("it must not run")
    assert house.trail.lines()[0]["kind"] == "plugin.refused"
    assert house.figure("carapace_plugin_workers") == 0


async def test_a_component_that_cannot_be_had_is_told_as_it_is(folder: Path):
    house = HouseUnderTest(folder)
    house.artifacts.trouble = PluginUnavailable("no engine", retryable=False)
    with pytest.raises(PluginUnavailable, match="cannot run: no engine"):
        async with running(house):
            raise AssertionError("it must not run")


async def test_code_that_the_engine_does_not_take_is_compiled_anew_once(folder: Path):
    house = HouseUnderTest(folder, "invalid", "ok")
    async with running(house) as under:
        assert await under.call("echo", 1) == [1]
        assert house.artifacts.anew == [False, True]
    house = HouseUnderTest(folder, "invalid")
    with pytest.raises(PluginUnavailable, match="for another machine"):
        async with running(house):
            raise AssertionError("it must not run")
    assert house.artifacts.anew == [False, True]


async def test_an_unused_plugin_loses_its_process_and_gets_it_back_with_the_next_call(folder: Path):
    clock = FakeClock()
    house = HouseUnderTest(folder, clock=clock, idle_stop_s=60.0)
    async with running(house) as under:
        await clock.advance(40.0)
        await under.call("echo")
        await clock.advance(40.0)
        assert under.phase is RunPhase.RUNNING, "it was used meanwhile"
        await clock.advance(70.0)
        await until(lambda: under.phase is RunPhase.IDLE)
        assert under.supervisor.state().pid is None
        assert await under.call("count") == 1, "a new process"
        state = under.supervisor.state()
        assert (state.phase, state.generation, state.restarts) == (RunPhase.RUNNING, 2, 0)
        assert under.kinds() == []


async def test_a_plugin_at_work_does_not_rest(folder: Path):
    clock = FakeClock()
    house = HouseUnderTest(folder, clock=clock, idle_stop_s=60.0)
    async with running(house) as under, asyncio.TaskGroup() as group:
        call = group.create_task(under.call("nap", 300))
        await until(under.supervisor._turn.locked)
        await clock.advance(100.0)
        assert await call == "rested"
        assert under.phase is RunPhase.RUNNING


async def test_a_service_never_rests(folder: Path):
    clock = FakeClock()
    house = HouseUnderTest(folder, clock=clock, idle_stop_s=60.0)
    async with running(house, roles=frozenset({"service"})) as under:
        assert await under.call("count", instance="service") == 1
        await clock.advance(10_000.0)
        assert await under.call("count", instance="service") == 2


async def test_a_call_of_a_service_never_reaches_an_instance_that_was_made_later(folder: Path):
    async with running(HouseUnderTest(folder), roles=frozenset({"service"})) as under:
        results: list[str] = []

        async def one(function: str, *arguments: Any) -> None:
            try:
                await under.call(function, *arguments, instance="service")
                results.append("called")
            except (GuestTrap, PluginUnavailable) as error:
                results.append(type(error).__name__)

        for breaks in (("crash",), ("trap", "memory")):
            before = under.supervisor.state().generation
            async with asyncio.TaskGroup() as group:
                for words in (breaks, ("count",), ("count",)):
                    group.create_task(one(*words))
            assert under.supervisor.state().generation > before
        assert results == ["GuestTrap", "PluginUnavailable", "PluginUnavailable"] * 2
        assert await under.call("echo", "new", instance="service") == ["new"]


async def test_a_trap_of_a_fresh_instance_is_nothing_to_the_service(folder: Path):
    async with running(HouseUnderTest(folder), roles=frozenset({"service"})) as under:
        before = under.supervisor.state().generation
        with pytest.raises(GuestTrap):
            await under.call("trap", "memory")
        with pytest.raises(GuestError):
            await under.call("fail", "no", instance="service")
        assert under.supervisor.state().generation == before


async def test_a_service_whose_worker_died_unread_is_not_called_on_the_next(folder: Path):
    async with running(HouseUnderTest(folder), roles=frozenset({"service"})) as under:
        pid = under.supervisor.state().pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        asked = asyncio.get_running_loop().create_task(under.call("count", instance="service"))
        await until(under.supervisor._turn.locked)
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(PluginUnavailable, match="ended before it could be called"):
            await asked


async def test_closing_lets_accepted_calls_end_and_takes_no_new_ones(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under, asyncio.TaskGroup() as group:
        accepted = [group.create_task(under.call("nap", 50)) for _ in range(2)]
        await until(under.supervisor._turn.locked)
        closing = group.create_task(under.supervisor.close(DEADLINE_S))
        await until(lambda: under.phase is RunPhase.STOPPING)
        with pytest.raises(PluginUnavailable, match="being stopped"):
            await under.call("echo")
        assert [await task for task in accepted] == ["rested", "rested"]
        await closing
        assert under.phase is RunPhase.STOPPED


async def test_a_call_that_outlives_the_drain_is_cut_off_and_those_behind_it_were_not_called(
    folder: Path,
):
    async with running(HouseUnderTest(folder)) as under, asyncio.TaskGroup() as group:
        results: dict[str, str] = {}

        async def one(function: str) -> None:
            try:
                await under.call(function)
            except (GuestTrap, PluginUnavailable) as error:
                results[function] = type(error).__name__

        group.create_task(one("spin"))
        group.create_task(one("count"))
        await until(lambda: under.supervisor._waiting == 1)
        await under.supervisor.close(0.05)
        await until(lambda: len(results) == 2)
        assert results == {"spin": "GuestTrap", "count": "PluginUnavailable"}
        assert under.kinds() == []


async def test_a_caller_that_is_cancelled_during_the_end_is_cancelled(folder: Path):
    async with running(HouseUnderTest(folder)) as under:
        caller = asyncio.get_running_loop().create_task(under.call("spin"))
        await until(under.supervisor._turn.locked)
        caller.cancel()
        await under.supervisor.close(0.0)
        with pytest.raises(asyncio.CancelledError):
            await caller


async def test_an_opening_that_is_broken_off_leaves_nothing(folder: Path):
    house = HouseUnderTest(folder, "hang")
    supervisor = Supervisor(a_plugin(), house.house, itertools.count(1))
    before = of_children()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await supervisor.open()
    assert supervisor.state().phase is RunPhase.STOPPED
    await asyncio.sleep(0)
    assert not of_children() - before


async def test_an_end_that_comes_during_the_opening_is_told(folder: Path):
    house = HouseUnderTest(folder, "hang")
    supervisor = Supervisor(a_plugin(), house.house, itertools.count(1))
    opening = asyncio.get_running_loop().create_task(supervisor.open())
    await until(lambda: house.artifacts.anew)
    await supervisor.close(0.0)
    with pytest.raises(PluginUnavailable, match="being stopped"):
        await opening
    assert house.trail.lines() == []


async def test_an_end_during_a_restart_waits_for_it_and_is_no_loss(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under:
        house.artifacts.gate.clear()
        await under.lose()
        await until(under.supervisor._turn.locked)
        closing = asyncio.get_running_loop().create_task(under.supervisor.close(DEADLINE_S))
        await until(lambda: under.phase is RunPhase.STOPPING)
        house.artifacts.gate.set()
        await closing
        assert under.phase is RunPhase.STOPPED
        assert under.kinds() == ["plugin.lost"]
        assert house.figure("carapace_plugin_workers") == 0
        await under.supervisor.close(0.0)
        assert house.changed.count("hello") == len(house.changed)


async def test_changes_are_told(folder: Path):
    house = HouseUnderTest(folder)
    async with running(house) as under:
        assert house.changed == ["hello"]
        await under.lose()
        await until(lambda: under.phase is RunPhase.RUNNING)
        assert house.changed == ["hello"] * 3
    assert house.changed == ["hello"] * 5
