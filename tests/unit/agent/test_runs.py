"""Runs and the book that finds them."""

from __future__ import annotations

import asyncio

from carapace.agent.runs import Run, RunBook
from carapace.agent.types import (
    RunEnded,
    RunOutcome,
    RunState,
    RunUpdate,
    StopReason,
    Submission,
    TextUpdate,
)
from carapace.ids import AgentId, RunId, SessionKey

DONE = RunOutcome(state=RunState.DONE, status="ok", summary="completed", ended_at_ms=1)


def a_run(run_id: str = "r", key: str = "agent:main:main") -> Run:
    submission = Submission(
        run_id=RunId(run_id),
        session_key=SessionKey(key),
        shown_key="main",
        agent_id=AgentId("main"),
        message="hi",
    )
    return Run(submission, accepted_at_ms=0)


async def until(event: asyncio.Event) -> None:
    await event.wait()


async def collect(run: Run) -> list[RunUpdate]:
    return [update async for update in run.updates()]


async def test_updates_give_all_text_once_and_then_the_end():
    run = a_run()
    reader = asyncio.create_task(collect(run))
    await asyncio.sleep(0)
    run.say("a")
    run.say("b")
    await asyncio.sleep(0)
    run.say("c")
    run.end(DONE)
    updates = await reader
    text = "".join(update.text for update in updates if isinstance(update, TextUpdate))
    assert text == "abc"
    assert updates[-1] == RunEnded(DONE)


async def test_a_late_reader_gets_the_whole_text():
    run = a_run()
    run.say("all of it")
    run.end(DONE)
    assert await collect(run) == [TextUpdate("all of it"), RunEnded(DONE)]


async def test_an_outcome_is_set_once_and_wakes_who_waits():
    run = a_run()
    waiter = asyncio.create_task(run.ended())
    await asyncio.sleep(0)
    run.say("x")
    await asyncio.sleep(0)
    run.end(DONE)
    run.end(RunOutcome(state=RunState.ERROR, status="error", summary="late", ended_at_ms=2))
    assert await waiter == DONE
    await run.settled()


async def test_stopping_cancels_the_work_once():
    run = a_run()
    run.started_at_ms = 1
    run.task = task = asyncio.create_task(until(asyncio.Event()))
    assert run.stop(StopReason.RPC)
    assert not run.stop(StopReason.TIMEOUT)
    assert run.stop_reason is StopReason.RPC
    await asyncio.wait({task})
    assert task.cancelled()


def test_a_run_that_ended_cannot_be_stopped():
    run = a_run()
    run.end(DONE)
    assert not run.stop(StopReason.RPC)
    assert (run.run_id, run.session_key) == ("r", "agent:main:main")


def test_a_finished_run_is_found_for_five_minutes():
    book = RunBook()
    run = a_run()
    book.add(run)
    assert book.get(RunId("r"), 0.0) is run
    run.end(DONE)
    book.finish(run, 0.0)
    assert book.get(RunId("r"), 299.0) is run
    assert list(book.live()) == []
    assert book.get(RunId("r"), 301.0) is None


def test_the_book_keeps_only_so_many_finished_runs():
    book = RunBook(max_finished=2)
    for name in "abc":
        run = a_run(name)
        book.add(run)
        book.finish(run, 0.0)
    assert book.get(RunId("a"), 0.0) is None
    assert book.get(RunId("c"), 0.0) is not None
    assert len(book) == 2


def test_live_runs_can_be_asked_for_by_session():
    book = RunBook()
    book.add(a_run("1", "agent:main:a"))
    book.add(a_run("2", "agent:main:b"))
    gone = a_run("3", "agent:main:a")
    book.add(gone)
    book.forget(gone)
    assert [run.run_id for run in book.live(SessionKey("agent:main:a"))] == ["1"]
    assert len(list(book.live())) == 2


async def test_work_that_has_not_begun_is_not_cancelled_but_told():
    run = a_run()
    begun = asyncio.Event()
    run.task = task = asyncio.create_task(until(begun))
    assert run.stop(StopReason.RPC)
    begun.set()
    await asyncio.wait({task})
    assert not task.cancelled()


def test_a_run_that_is_being_written_down_cannot_be_stopped():
    run = a_run()
    run.is_closing = True
    assert not run.stop(StopReason.RPC)
