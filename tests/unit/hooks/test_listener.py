"""One handler, however it behaves."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from carapace.hooks.listener import CallOutcome, Listener
from carapace.hooks.points import (
    BEFORE_TOOL_CALL,
    GATEWAY_STOP,
    BeforeToolCall,
    GatewayStop,
    HookPoint,
)
from carapace.hooks.quarantine import MAX_FAILURES, REST_S
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.clock import FakeClock

STRANGER = Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE)
CALL = BeforeToolCall("r", "agent:main:main", "main", STRANGER, "time", "{}")


def listener(
    handler: Any, point: HookPoint[Any] = BEFORE_TOOL_CALL, clock: FakeClock | None = None
) -> Listener[Any]:
    return Listener(
        point,
        handler,
        owner="a test",
        priority=0,
        number=1,
        is_guard=False,
        timeout_s=0.01,
        clock=clock or FakeClock(),
    )


def giving(answer: Any) -> Any:
    async def handler(payload: Any) -> Any:
        return answer(payload) if callable(answer) else answer

    return handler


async def test_what_may_be_changed_is_taken():
    handler = giving(lambda call: msgspec.structs.replace(call, arguments='{"zone":"UTC"}'))
    taken, outcome = await listener(handler).call(CALL)
    assert taken.arguments == '{"zone":"UTC"}'
    assert outcome is CallOutcome.OK


@pytest.mark.parametrize("answer", [None, CALL])
async def test_none_and_the_same_value_change_nothing(answer: BeforeToolCall | None):
    assert await listener(giving(answer)).call(CALL) == (CALL, CallOutcome.OK)


async def test_a_veto_is_told_apart():
    handler = giving(lambda call: msgspec.structs.replace(call, blocked="not today"))
    taken, outcome = await listener(handler).call(CALL)
    assert taken.blocked == "not today"
    assert outcome is CallOutcome.VETOED


@pytest.mark.parametrize(
    "answer",
    [
        msgspec.structs.replace(CALL, provenance=OWNER),
        msgspec.structs.replace(CALL, tool="exec"),
        msgspec.structs.replace(CALL, agent_id="other", arguments="[]"),
        msgspec.structs.replace(CALL, arguments=7),
        msgspec.structs.replace(CALL, arguments="x" * 100_001),
        msgspec.structs.replace(CALL, arguments="\ud800"),
        msgspec.structs.replace(CALL, blocked=""),
        msgspec.structs.replace(CALL, blocked="x" * 501),
        msgspec.structs.replace(CALL, arguments=object()),
        GatewayStop("x"),
        {"arguments": "[]"},
    ],
)
async def test_an_answer_that_oversteps_is_not_taken_at_all(answer: Any):
    assert await listener(giving(answer)).call(CALL) == (CALL, CallOutcome.REFUSED)


async def test_what_came_long_may_stay_long_and_still_be_stopped():
    long = msgspec.structs.replace(CALL, arguments="x" * 200_000)
    handler = giving(lambda call: msgspec.structs.replace(call, blocked="too much"))
    taken, outcome = await listener(handler).call(long)
    assert outcome is CallOutcome.VETOED
    assert taken.arguments == long.arguments


async def test_a_handler_that_raises_changes_nothing():
    async def broken(_: BeforeToolCall) -> None:
        raise ZeroDivisionError

    assert await listener(broken).call(CALL) == (CALL, CallOutcome.FAILED)


async def test_a_late_handler_is_not_waited_for():
    async def slow(_: BeforeToolCall) -> None:
        await asyncio.Event().wait()

    assert await listener(slow).call(CALL) == (CALL, CallOutcome.TIMEOUT)


async def test_a_time_limit_of_its_own_is_a_failure_not_lateness():
    async def gives_up(_: BeforeToolCall) -> None:
        raise TimeoutError("no answer from its server")

    assert await listener(gives_up).call(CALL) == (CALL, CallOutcome.FAILED)


async def test_a_cancelled_turn_passes_through():
    started = asyncio.Event()

    async def waits(_: BeforeToolCall) -> None:
        started.set()
        await asyncio.Event().wait()

    patient = Listener(
        BEFORE_TOOL_CALL,
        waits,
        owner="a test",
        priority=0,
        number=1,
        is_guard=False,
        timeout_s=60.0,
        clock=FakeClock(),
    )
    task = asyncio.create_task(patient.call(CALL))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_keeps_failing_rests_and_then_gets_another_chance():
    clock, calls = FakeClock(), 0

    async def broken(_: BeforeToolCall) -> None:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    one = listener(broken, clock=clock)
    for _ in range(MAX_FAILURES):
        await one.call(CALL)
    assert await one.call(CALL) == (CALL, CallOutcome.SKIPPED)
    assert calls == MAX_FAILURES
    await clock.advance(REST_S)
    assert (await one.call(CALL))[1] is CallOutcome.FAILED
    assert (await one.call(CALL))[1] is CallOutcome.SKIPPED


async def test_what_a_watcher_gives_back_is_ignored():
    stop = GatewayStop("asked")
    handler = giving(GatewayStop("forged"))
    assert await listener(handler, GATEWAY_STOP).call(stop) == (stop, CallOutcome.OK)
