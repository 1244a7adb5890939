"""The bus: order, vetoes, guards, watchers, and the price of nobody listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from carapace.hooks.bus import HookBus
from carapace.hooks.points import (
    BEFORE_TOOL_CALL,
    GATEWAY_STOP,
    MESSAGE_SENT,
    TOOL_RESULT_PERSIST,
    BeforeToolCall,
    GatewayStop,
    HookPoint,
    ToolResultPersist,
)
from carapace.provenance import OWNER
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock

CALL = BeforeToolCall("r", "agent:main:main", "main", OWNER, "time", "")
RESULT = ToolResultPersist("r", "agent:main:main", "main", "time", "c", is_error=False, text="")


@pytest.fixture
async def bus() -> AsyncGenerator[HookBus]:
    made = HookBus(FakeClock(), Metrics("0", with_process=False))
    yield made
    await made.aclose()


def counted(bus: HookBus, point: HookPoint[Any], outcome: str) -> float:
    sample = bus._metrics.hook_calls.labels(point.name, outcome)
    return sample._value.get()


def adding(mark: str) -> Any:
    async def handler(call: BeforeToolCall) -> BeforeToolCall:
        return msgspec.structs.replace(call, arguments=call.arguments + mark)

    return handler


async def blocks(call: BeforeToolCall) -> BeforeToolCall:
    return msgspec.structs.replace(call, blocked="no")


async def broken(_: Any) -> None:
    raise ZeroDivisionError


async def test_nobody_listens_at_first(bus: HookBus):
    assert bus.heard == frozenset()
    assert await bus.change(BEFORE_TOOL_CALL, CALL) is CALL
    bus.tell(GATEWAY_STOP, GatewayStop("x"))
    assert await bus.drain(0.0)


async def test_higher_priority_comes_first_and_ties_in_order_of_arrival(bus: HookBus):
    for mark, priority in (("c", 0), ("d", 0), ("a", 10), ("e", -1), ("b", 5)):
        bus.register(BEFORE_TOOL_CALL, adding(mark), owner=mark, priority=priority)
    changed = await bus.change(BEFORE_TOOL_CALL, CALL)
    assert changed.arguments == "abcde"
    assert counted(bus, BEFORE_TOOL_CALL, "ok") == 5


async def test_a_registration_can_be_ended(bus: HookBus):
    end = bus.register(BEFORE_TOOL_CALL, adding("a"), owner="x")
    stay = bus.register(BEFORE_TOOL_CALL, adding("b"), owner="x")
    assert BEFORE_TOOL_CALL in bus.heard
    end()
    end()
    assert (await bus.change(BEFORE_TOOL_CALL, CALL)).arguments == "b"
    stay()
    assert bus.heard == frozenset()


async def test_a_veto_ends_the_chain(bus: HookBus):
    bus.register(BEFORE_TOOL_CALL, blocks, owner="x", priority=1)
    bus.register(BEFORE_TOOL_CALL, adding("a"), owner="y")
    changed = await bus.change(BEFORE_TOOL_CALL, CALL)
    assert (changed.blocked, changed.arguments) == ("no", "")
    assert counted(bus, BEFORE_TOOL_CALL, "vetoed") == 1


async def test_the_others_go_on_without_a_broken_one(bus: HookBus):
    bus.register(BEFORE_TOOL_CALL, broken, owner="x", priority=1)
    bus.register(BEFORE_TOOL_CALL, adding("a"), owner="y")
    assert (await bus.change(BEFORE_TOOL_CALL, CALL)).arguments == "a"
    assert counted(bus, BEFORE_TOOL_CALL, "failed") == 1


async def test_a_guard_that_cannot_answer_stops_what_it_guards_even_while_it_rests(bus: HookBus):
    bus.register(BEFORE_TOOL_CALL, broken, owner="a guard", is_guard=True)
    for _ in range(7):
        changed = await bus.change(BEFORE_TOOL_CALL, CALL)
        assert changed.blocked is not None
        assert "a guard" in changed.blocked
    assert counted(bus, BEFORE_TOOL_CALL, "vetoed") == 7


async def test_a_guard_that_answers_lets_pass(bus: HookBus):
    bus.register(BEFORE_TOOL_CALL, adding("a"), owner="a guard", is_guard=True)
    changed = await bus.change(BEFORE_TOOL_CALL, CALL)
    assert (changed.blocked, changed.arguments) == (None, "a")


async def test_a_point_without_a_veto_takes_no_guard(bus: HookBus):
    with pytest.raises(ValueError, match="cannot be stopped"):
        bus.register(TOOL_RESULT_PERSIST, broken, owner="x", is_guard=True)


async def test_a_point_of_ones_own_is_refused(bus: HookBus):
    forged = HookPoint("gateway_stop", GatewayStop, "x", changes=frozenset({"reason"}))
    with pytest.raises(ValueError, match="no hook point"):
        bus.register(forged, broken, owner="x")


async def test_watchers_hear_and_hold_up_nobody(bus: HookBus):
    gate, heard = asyncio.Event(), list[str]()

    async def slow(stop: GatewayStop) -> None:
        await gate.wait()
        heard.append(f"slow {stop.reason}")

    async def quick(stop: GatewayStop) -> None:
        heard.append(f"quick {stop.reason}")

    bus.register(GATEWAY_STOP, slow, owner="x", priority=9)
    end = bus.register(GATEWAY_STOP, quick, owner="y")
    bus.tell(GATEWAY_STOP, GatewayStop("a"))
    assert not await bus.drain(0.01)
    assert heard == ["quick a"]
    gate.set()
    assert await bus.drain(5.0)
    assert heard == ["quick a", "slow a"]
    end()
    bus.tell(GATEWAY_STOP, GatewayStop("b"))
    assert await bus.drain(5.0)
    assert heard[-1] == "slow b"
    assert counted(bus, GATEWAY_STOP, "ok") == 3


async def test_a_modifiable_point_is_not_told(bus: HookBus):
    bus.register(TOOL_RESULT_PERSIST, broken, owner="x")
    bus.tell(TOOL_RESULT_PERSIST, RESULT)
    assert await bus.drain(0.0)
    assert counted(bus, TOOL_RESULT_PERSIST, "failed") == 0


async def test_nobody_is_called_after_the_end(bus: HookBus):
    bus.register(BEFORE_TOOL_CALL, adding("a"), owner="x")
    bus.register(MESSAGE_SENT, broken, owner="x")
    await bus.aclose()
    assert bus.heard == frozenset()
    assert await bus.change(BEFORE_TOOL_CALL, CALL) is CALL


async def test_a_watcher_whose_count_breaks_ends_alone(bus: HookBus):
    def count(*_: Any) -> None:
        raise ZeroDivisionError("no counter")

    bus._count = count  # type: ignore[method-assign]  # a defect of our own, which must be seen
    heard: list[str] = []

    async def hear(stop: GatewayStop) -> None:
        heard.append(stop.reason)

    bus.register(GATEWAY_STOP, hear, owner="x")
    bus.tell(GATEWAY_STOP, GatewayStop("a"))
    assert await bus.drain(5.0)
    bus.tell(GATEWAY_STOP, GatewayStop("b"))
    assert await bus.drain(5.0)
    assert heard == ["a", "b"]
