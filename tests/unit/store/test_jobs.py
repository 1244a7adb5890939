"""Jobs: results find their way back, whatever became of the caller."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from carapace.store.jobs import Job, deliver
from carapace.store.ports import Tx


def work(_: Tx) -> int:
    return 1


async def job() -> Job:
    return Job(work, asyncio.get_running_loop().create_future())


async def test_a_job_is_called_what_its_function_is_called():
    one = await job()
    assert one.name == "work"
    assert Job(partial(work), one.future).name == "partial"


async def test_results_and_errors_are_delivered_together():
    good, bad = await job(), await job()
    good.result, bad.error = 7, ValueError("no")
    deliver(asyncio.get_running_loop(), [good, bad])
    assert await good.future == 7
    with pytest.raises(ValueError, match="no"):
        await bad.future


async def test_a_caller_who_left_is_skipped():
    gone, here = await job(), await job()
    gone.future.cancel()
    here.result = 1
    assert gone.is_abandoned
    assert not here.is_abandoned
    deliver(asyncio.get_running_loop(), [gone, here])
    assert await here.future == 1


async def test_stop_iteration_is_named_instead_of_lost():
    one = await job()
    one.error = StopIteration()
    deliver(asyncio.get_running_loop(), [one])
    with pytest.raises(RuntimeError, match="work raised StopIteration"):
        await one.future


def test_a_closed_loop_has_nobody_waiting():
    loop = asyncio.new_event_loop()
    one = Job(work, loop.create_future())
    loop.close()
    deliver(loop, [one])
    assert not one.future.done()


class _ClosingLoop(asyncio.SelectorEventLoop):
    """Is closed between the check and the call, as another thread may do."""

    def call_soon_threadsafe(self, *_args: object, **_kwargs: object):
        self.close()
        raise RuntimeError("Event loop is closed")


class _BrokenLoop(asyncio.SelectorEventLoop):
    def call_soon_threadsafe(self, *_args: object, **_kwargs: object):
        raise RuntimeError("something else")


def test_a_loop_that_closes_meanwhile_is_no_error():
    loop = _ClosingLoop()
    deliver(loop, [Job(work, loop.create_future())])
    assert loop.is_closed()


def test_any_other_trouble_with_the_loop_is_not_hidden():
    loop = _BrokenLoop()
    with pytest.raises(RuntimeError, match="something else"):
        deliver(loop, [Job(work, loop.create_future())])
    loop.close()
