"""Functions reach the threads in order, only so many wait, and there is an end for everybody."""

from __future__ import annotations

import asyncio

import pytest

from carapace.store.errors import DatabaseBusy, DatabaseClosed
from carapace.store.job_queue import JobQueue
from carapace.store.jobs import Job
from carapace.store.ports import Tx


def first(_: Tx) -> int:
    return 1


def second(_: Tx) -> int:
    return 2


@pytest.fixture
async def queue() -> JobQueue:
    loop = asyncio.get_running_loop()
    return JobQueue(loop, max_waiting=2, closed="It is over.", busy="Too many wait.")


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


async def test_jobs_come_out_in_order_with_their_callers_future(queue: JobQueue):
    futures = [queue.submit(first), queue.submit(second)]
    assert queue.waiting == 2
    taken = [queue.take(), queue.take()]
    assert [job and job.future for job in taken] == futures
    assert names([job for job in taken if job]) == ["first", "second"]
    assert queue.waiting == 0


async def test_what_does_not_fit_is_refused_at_once(queue: JobQueue):
    queue.submit(first)
    queue.submit(second)
    with pytest.raises(DatabaseBusy, match="Too many wait"):
        queue.submit(first)
    queue.take()
    queue.submit(first)


async def test_after_the_end_nothing_is_taken_and_each_thread_hears_of_it_once(queue: JobQueue):
    queue.submit(first)
    queue.end(n_threads=2)
    queue.end(n_threads=2)
    with pytest.raises(DatabaseClosed, match="It is over"):
        queue.submit(second)
    job = queue.take()
    assert job is not None
    assert (job.name, queue.take(), queue.take()) == ("first", None, None)
    assert queue.waiting == 0


async def test_a_batch_takes_what_waits_and_no_more_than_it_may(queue: JobQueue):
    queue.submit(first)
    queue.submit(second)
    batch: list[Job] = []
    assert queue.take_more(batch, most=1)
    assert names(batch) == ["first"]
    assert queue.take_more(batch, most=5)
    assert names(batch) == ["first", "second"]


async def test_a_batch_that_meets_the_end_says_so(queue: JobQueue):
    queue.submit(first)
    queue.end()
    batch: list[Job] = []
    assert not queue.take_more(batch, most=5)
    assert names(batch) == ["first"]
