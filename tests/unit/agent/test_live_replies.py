"""People see that somebody writes, and what, while a run lasts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.agent import live_replies
from carapace.agent.live_replies import LiveReplies
from carapace.agent.runs import Run
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.channels.types import ReplyRoute, Target
from carapace.errors import Failed
from carapace.ids import AgentId, RunId, SessionKey
from carapace.tasks import Tasks

TARGET = Target(channel="recording", account="a", conversation="c")
ROUTE = ReplyRoute(target=TARGET, inbox_ids=(1,), reply_to="q")
DONE = RunOutcome(state=RunState.DONE, status="ok", summary="completed", ended_at_ms=1)


class Screen:
    """Stands for drafts and typing: keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.wanted = True
        self.error: Exception | None = None

    async def open(self, run_id: str, target: Target, reply_to: str | None) -> Screen | None:
        if self.error is not None:
            raise self.error
        self.told.append(("open", run_id, reply_to))
        return self if self.wanted else None

    def show(self, text: str) -> None:
        self.told.append(("show", text))

    async def close(self, run_id: str) -> None:
        self.told.append(("close", run_id))

    def start(self, run_id: str, target: Target) -> None:
        self.told.append(("typing", target))

    def stop(self, run_id: str, target: Target) -> None:
        self.told.append(("stopped", target))


def a_run() -> Run:
    submission = Submission(
        run_id=RunId("r"),
        session_key=SessionKey("agent:main:main"),
        shown_key="main",
        agent_id=AgentId("main"),
        message="hi",
    )
    return Run(submission, accepted_at_ms=0)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
async def follow(screen: Screen):
    errors: list[BaseException] = []
    tasks = Tasks("live", lambda _name, error: errors.append(error))
    live: Any = screen
    replies = LiveReplies(live, live, tasks)
    yield replies.started
    await tasks.close()
    assert errors == []


async def test_a_run_is_followed_from_its_beginning_to_its_end(screen, follow):
    run = a_run()
    follow(run, ROUTE)
    await settle()
    run.say("Hel")
    await settle()
    run.say("lo")
    await settle()
    run.end(DONE)
    await settle()
    assert screen.told == [
        ("typing", TARGET),
        ("open", "r", "q"),
        ("show", "Hel"),
        ("show", "Hello"),
        ("stopped", TARGET),
        ("close", "r"),
    ]


async def test_without_a_draft_only_typing_is_shown(screen, follow):
    screen.wanted = False
    run = a_run()
    follow(run, ROUTE)
    run.say("Hel")
    await settle()
    run.end(DONE)
    await settle()
    assert [one[0] for one in screen.told] == ["typing", "open", "stopped", "close"]


async def test_a_draft_that_cannot_be_opened_does_not_stop_the_typing(screen, follow):
    screen.error = Failed("the disk is full")
    run = a_run()
    follow(run, ROUTE)
    run.say("Hel")
    await settle()
    assert [one[0] for one in screen.told] == ["typing"]
    run.end(DONE)
    await settle()
    assert [one[0] for one in screen.told] == ["typing", "stopped", "close"]


async def test_a_very_long_answer_is_not_kept_whole(screen, follow, monkeypatch):
    monkeypatch.setattr(live_replies, "_MAX_SHOWN", 4)
    run = a_run()
    follow(run, ROUTE)
    run.say("abcdef")
    run.end(DONE)
    await settle()
    assert ("show", "abcd") in screen.told
