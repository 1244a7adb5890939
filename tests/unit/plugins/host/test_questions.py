"""What a guest asks passes its grants and budgets, and no text of ours leaks into the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.plugins.errors import GuestError
from carapace.plugins.frames import Answer, FrameError, HostCall
from carapace.plugins.host.questions import Questions
from carapace.plugins.ports import PluginLimits, Rate, Rates
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.plugin_house import a_plugin

SLOW = Rate(per_s=1.0, burst=1)


class Asking:
    def __init__(self, **capabilities: Any) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics("0", with_process=False)
        self.called: list[tuple[str, str]] = []
        names = ("kv", "log", "config", "status", "credentials", "http", "inbound")
        plugin = a_plugin(
            capabilities={name: self.ok(name) for name in names} | capabilities,
            limits=PluginLimits(rates=Rates(http=SLOW, log=SLOW, kv=SLOW, inbound=SLOW)),
        )
        self.questions = Questions(plugin, clock=self.clock, metrics=self.metrics)

    def ok(self, interface: str) -> Any:
        async def call(function: str, arguments: list[Any]) -> Any:
            self.called.append((interface, function))
            return arguments

        return call

    async def ask(self, interface: str, function: str = "get", within_s: float = 5.0) -> Answer:
        deadline_s = asyncio.get_running_loop().time() + within_s
        call = HostCall(7, 1, interface, function, ["a"])
        answer = await self.questions.answer(call, deadline_s)
        assert answer is not None
        assert answer.id == 7
        return answer

    def count(self, interface: str, outcome: str) -> float | None:
        labels = {"plugin": "hello", "interface": interface, "outcome": outcome}
        return self.metrics.registry.get_sample_value("carapace_plugin_host_calls_total", labels)


async def test_a_question_reaches_its_capability():
    asking = Asking()
    assert await asking.ask("kv") == Answer(7, ok=["a"])
    assert asking.called == [("kv", "get")]
    assert asking.count("kv", "ok") == 1


async def test_an_error_arm_travels_with_all_its_fields():
    async def no(function: str, arguments: list[Any]) -> Any:
        raise GuestError("quota", "it is full", retryable=True, retry_after_ms=5)

    asking = Asking(kv=no)
    answer = await asking.ask("kv")
    assert answer.err is not None
    assert (answer.err.code, answer.err.message) == ("quota", "it is full")
    assert (answer.err.retryable, answer.err.retry_after_ms) == (True, 5)
    assert asking.count("kv", "error") == 1


@pytest.mark.parametrize("error", [ValueError("hunter2"), TimeoutError("hunter2")])
async def test_a_capability_that_breaks_tells_the_guest_nothing_of_why(error: Exception):
    async def broken(function: str, arguments: list[Any]) -> Any:
        raise error

    asking = Asking(kv=broken)
    answer = await asking.ask("kv")
    assert answer.err is not None
    assert answer.err.code == "internal"
    assert "hunter2" not in answer.err.message
    assert asking.count("kv", "failed") == 1


async def test_what_was_not_granted_breaks_the_rules():
    with pytest.raises(FrameError, match="'files', which was not granted"):
        await Asking().ask("files")


async def test_asking_too_often_is_an_error_that_says_when_again():
    asking = Asking()
    await asking.ask("http")
    answer = await asking.ask("http")
    assert answer.err is not None
    assert (answer.err.code, answer.err.retryable) == ("rate-limited", True)
    assert answer.err.retry_after_ms == 1_000
    assert asking.called == [("http", "get")]
    assert asking.count("http", "limited") == 1
    await asking.clock.advance(1.0)
    assert (await asking.ask("http")).err is None


async def test_too_many_lines_of_a_log_are_dropped_and_counted_not_refused(
    capsys: pytest.CaptureFixture[str],
):
    asking = Asking()
    for _ in range(4):
        assert (await asking.ask("log", "emit")).err is None
    assert asking.called == [("log", "emit")]
    assert asking.count("log", "limited") == 3
    await asking.clock.advance(1.0)
    await asking.ask("log", "emit")
    assert len(asking.called) == 2


@pytest.mark.parametrize(
    ("interface", "function"), [("config", "get"), ("status", "set"), ("credentials", "names")]
)
async def test_what_has_no_error_arm_is_answered_late_instead_of_wrongly(
    interface: str, function: str
):
    asking = Asking()
    await asking.ask(interface, function)
    async with asyncio.TaskGroup() as group:
        second = group.create_task(asking.ask(interface, function))
        await asking.clock.advance(0.5)
        assert not second.done()
        await asking.clock.advance(0.6)
    assert second.result() == Answer(7, ok=["a"])


async def test_a_question_whose_time_is_over_is_broken_off_and_not_answered():
    ended: list[str] = []

    async def forever(function: str, arguments: list[Any]) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(function)

    asking = Asking(http=forever)
    call = HostCall(7, 1, "http", "fetch", [])
    assert await asking.questions.answer(call, asyncio.get_running_loop().time() + 0.01) is None
    assert ended == ["fetch"]
    assert asking.count("http", "late") == 1


async def test_what_is_printed_shares_the_budget_of_the_log():
    asking = Asking()
    for _ in range(3):
        asking.questions.printed("x")
    assert (await asking.ask("log", "emit")).err is None
    assert asking.called == []
    await asking.clock.advance(1.0)
    asking.questions.printed("y")
