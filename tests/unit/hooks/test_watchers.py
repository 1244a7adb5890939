"""The queue before a watcher."""

from __future__ import annotations

import asyncio
from typing import Any

from carapace.hooks.listener import CallOutcome, Listener
from carapace.hooks.points import GATEWAY_STOP, GatewayStop
from carapace.hooks.watchers import Watcher
from carapace.tasks import Tasks
from support.clock import FakeClock


def never(task: str, error: BaseException) -> None:
    raise AssertionError(f"{task} died: {error!r}")


def watcher(handler: Any, tasks: Tasks, counted: list[CallOutcome], **options: Any) -> Watcher:
    one = Listener(
        GATEWAY_STOP,
        handler,
        owner="a test",
        priority=0,
        number=1,
        is_guard=False,
        timeout_s=5.0,
        clock=FakeClock(),
    )
    return Watcher(one, tasks, counted.append, **options)


async def test_payloads_are_told_in_order_and_the_task_ends():
    heard: list[str] = []
    counted: list[CallOutcome] = []

    async def hear(stop: GatewayStop) -> None:
        heard.append(stop.reason)

    tasks = Tasks("t", never)
    one = watcher(hear, tasks, counted)
    for reason in "abc":
        one.tell(GatewayStop(reason))
    assert heard == []
    assert await tasks.drain(5.0)
    assert heard == ["a", "b", "c"]
    assert counted == [CallOutcome.OK] * 3
    one.tell(GatewayStop("d"))
    assert await tasks.drain(5.0)
    assert heard[-1] == "d"


async def test_a_watcher_too_far_behind_loses_the_newest():
    gate, counted = asyncio.Event(), list[CallOutcome]()
    heard: list[str] = []

    async def slow(stop: GatewayStop) -> None:
        await gate.wait()
        heard.append(stop.reason)

    tasks = Tasks("t", never)
    one = watcher(slow, tasks, counted, max_waiting=2)
    for reason in "abc":
        one.tell(GatewayStop(reason))
    assert counted == [CallOutcome.DROPPED]
    gate.set()
    assert await tasks.drain(5.0)
    assert heard == ["a", "b"]


async def test_a_closed_watcher_forgets_what_waits():
    heard: list[str] = []

    async def hear(stop: GatewayStop) -> None:
        heard.append(stop.reason)

    tasks = Tasks("t", never)
    one = watcher(hear, tasks, [])
    one.tell(GatewayStop("a"))
    one.close()
    one.tell(GatewayStop("b"))
    assert await tasks.drain(5.0)
    assert heard == []
    one.close()
    await tasks.close()
