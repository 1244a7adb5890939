"""Calls under way: each gets exactly one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec
import pytest

from carapace.errors import Failed, Refused
from carapace.ids import ConnId
from carapace.nodes import invokes
from carapace.nodes.invokes import MAX_PER_NODE, Invokes
from carapace.nodes.types import TIMED_OUT, NodeFailure, Outcome
from carapace.protocol.events import Event
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.nodes import call, live

DONE = Outcome({"done": True}, '{"done":true}')
NODE = ConnId("conn-n1")


class World:
    """Calls, and a node that hears them."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.metrics = Metrics("0", with_process=False)
        self.clock = FakeClock()
        numbers = count(1)
        self.invokes = Invokes(
            self.heard.append,
            clock=self.clock,
            metrics=self.metrics,
            new_invoke_id=lambda: f"i{next(numbers)}",
        )
        self.changed: Callable[[], None] = lambda: None

    def counted(self, outcome: str) -> float:
        sample = self.metrics.node_invokes.labels(outcome)
        (metric,) = sample.collect()
        return next(one.value for one in metric.samples if one.name.endswith("total"))

    @asynccontextmanager
    async def asking(self, **more: Any) -> AsyncGenerator[asyncio.Task[Outcome]]:
        """A call that has reached its node."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.invokes.run(live(), call(**more)))
            await asyncio.sleep(0)
            yield task


async def test_the_node_hears_the_request_alone_and_its_answer_is_the_callers() -> None:
    world = World()
    async with world.asking(params_json='{"a":1}') as task:
        (event,) = world.heard
        assert (event.name, event.only) == ("node.invoke.request", frozenset({NODE}))
        assert msgspec.json.decode(msgspec.json.encode(event.payload)) == {
            "id": "i1",
            "nodeId": "n1",
            "command": "camera.snap",
            "paramsJSON": '{"a":1}',
            "timeoutMs": 5000,
            "idempotencyKey": "k1",
        }
        assert world.invokes.result(NODE, "i1", DONE)
    assert task.result() == DONE
    assert (len(world.invokes), world.counted("ok")) == (0, 1)


async def test_a_second_answer_is_not_taken() -> None:
    world = World()
    async with world.asking():
        assert world.invokes.result(NODE, "i1", DONE)
        assert not world.invokes.result(NODE, "i1", DONE)
    assert not world.invokes.result(NODE, "nobody", DONE)


async def test_another_node_cannot_answer() -> None:
    world = World()
    async with world.asking():
        assert not world.invokes.result(ConnId("conn-n2"), "i1", DONE)
        assert world.invokes.result(NODE, "i1", DONE)


async def test_a_call_that_takes_too_long_ends_as_that_and_the_late_answer_is_not_taken() -> None:
    world = World()
    assert await world.invokes.run(live(), call(timeout_ms=10)) == TIMED_OUT
    assert not world.invokes.result(NODE, "i1", DONE)
    assert (len(world.invokes), world.counted("timeout")) == (0, 1)


async def test_everybody_who_waits_for_a_node_hears_that_it_is_gone() -> None:
    world = World()
    async with world.asking() as one, world.asking(idempotency_key="k2", command="x.y") as two:
        assert world.invokes.gone(ConnId("conn-n2")) == 0
        assert world.invokes.gone(NODE) == 2
    for task, command in ((one, "camera.snap"), (two, "x.y")):
        failure = NodeFailure("DISCONNECTED", f"node disconnected ({command})")
        assert task.result().failure == failure
    assert (len(world.invokes), world.counted("gone")) == (0, 2)


async def test_a_nodes_own_failure_is_counted_as_such() -> None:
    world = World()
    async with world.asking():
        world.invokes.result(NODE, "i1", Outcome(failure=NodeFailure("CAMERA_DENIED", "no")))
    assert world.counted("failed") == 1


async def test_the_same_key_asks_the_node_once_while_it_runs_and_later() -> None:
    world = World()
    async with world.asking() as one, world.asking() as two:
        assert len(world.heard) == 1
        world.invokes.result(NODE, "i1", DONE)
    assert one.result() == two.result() == DONE
    assert await world.invokes.run(live(), call()) == DONE
    assert len(world.heard) == 1


async def test_a_key_is_not_used_for_another_command() -> None:
    world = World()
    async with world.asking():
        with pytest.raises(Refused, match="another command"):
            await world.invokes.run(live(), call("camera.clip"))
        world.invokes.result(NODE, "i1", DONE)


async def test_a_caller_that_gives_up_leaves_nothing_behind() -> None:
    world = World()
    async with world.asking() as task, world.asking() as other:
        task.cancel()
    assert other.result() == TIMED_OUT
    assert len(world.invokes) == 0


async def test_so_many_calls_wait_for_one_node_and_no_more() -> None:
    world = World()
    async with asyncio.TaskGroup() as group:
        for number in range(MAX_PER_NODE):
            group.create_task(world.invokes.run(live(), call(idempotency_key=str(number))))
        await asyncio.sleep(0)
        with pytest.raises(Failed) as caught:
            await world.invokes.run(live(), call(idempotency_key="more"))
        assert caught.value.retryable
        other = group.create_task(world.invokes.run(live("n2"), call(node_id="n2")))
        await asyncio.sleep(0)
        assert len(world.invokes) == MAX_PER_NODE + 1
        world.invokes.gone(NODE)
        world.invokes.gone(ConnId("conn-n2"))
    assert other.result().failure is not None
    assert world.counted("busy") == 1


async def test_so_many_calls_wait_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invokes, "MAX_WAITING", 1)
    world = World()
    async with world.asking():
        with pytest.raises(Failed, match="in all"):
            await world.invokes.run(live("n2"), call(node_id="n2"))
        world.invokes.gone(NODE)


async def test_a_node_that_is_gone_when_it_is_told_still_gives_an_answer() -> None:
    """Telling a node that does not read closes it, before the caller waits."""
    world = World()
    heard = world.heard

    def told(event: Event) -> None:
        heard.append(event)
        asked.gone(NODE)

    asked = Invokes(told, clock=world.clock, metrics=world.metrics)
    outcome = await asked.run(live(), call())
    assert outcome.failure is not None
    assert outcome.failure.code == "DISCONNECTED"
