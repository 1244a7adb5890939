"""Every task has an owner: what dies is reported, what runs at close is ended."""

from __future__ import annotations

import asyncio

import pytest

from carapace.tasks import Tasks


class Reports:
    def __init__(self) -> None:
        self.heard: list[tuple[str, BaseException]] = []

    def __call__(self, name: str, error: BaseException) -> None:
        self.heard.append((name, error))


async def test_a_task_runs_under_its_owners_name():
    reports = Reports()
    tasks = Tasks("owner", reports)

    async def work() -> int:
        return 5

    task = tasks.start(work(), name="sum")
    assert task.get_name() == "owner:sum"
    assert len(tasks) == 1
    assert await task == 5
    await asyncio.sleep(0)
    assert (len(tasks), reports.heard) == (0, [])


async def test_what_dies_is_reported_once_with_its_name():
    reports = Reports()
    tasks = Tasks("owner", reports)
    error = ValueError("dead")

    async def die() -> None:
        raise error

    task = tasks.start(die(), name="die")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert reports.heard == [("owner:die", error)]


async def test_close_cancels_and_waits_until_they_have_cleaned_up():
    reports = Reports()
    tasks = Tasks("owner", reports)
    started, cleaned = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    tasks.start(hang(), name="hang")
    await started.wait()
    await tasks.close()
    assert cleaned.is_set()
    assert reports.heard == []


async def test_nothing_starts_after_close():
    tasks = Tasks("owner", Reports())
    await tasks.close()
    ran = False

    async def work() -> None:
        nonlocal ran
        ran = True

    with pytest.raises(RuntimeError, match="closing, late was not started"):
        tasks.start(work(), name="late")
    assert not ran


async def test_a_task_may_close_its_own_owner():
    tasks = Tasks("owner", Reports())
    task = tasks.start(tasks.close(), name="closer")
    await task
    assert not task.cancelled()


async def test_drain_waits_for_the_end_or_says_that_it_did_not_come():
    tasks = Tasks("owner", Reports())
    assert await tasks.drain(0)
    gate = asyncio.Event()
    tasks.start(gate.wait(), name="gate")
    assert not await tasks.drain(0.001)
    gate.set()
    assert await tasks.drain(1)
