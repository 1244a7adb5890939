"""What nodes tell."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carapace.agent.providers.ports import ThinkingLevel
from carapace.agent.types import RunSource, Submission
from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey
from carapace.nodes.dispatched import Dispatched, ExecNews
from carapace.nodes.subscriptions import Subscriptions
from carapace.protocol.events import Event
from carapace.provenance import Authority, Origin
from carapace.sessions.keys import canonical
from carapace.triggers.node_events import MAX_TEXT_CHARS, NodeEvents
from carapace.triggers.wakes import Note, Wakes
from support.clock import FakeClock
from support.database import memory_database
from support.nodes import node_caller

NODE = node_caller("n1")
MAIN = SessionKey("agent:main:main")


class Runs:
    """Takes messages, and begins nothing."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []

    async def accept(self, submission: Submission) -> Any:
        self.taken.append(submission)

    async def find(self, run_id: Any) -> Any:
        raise AssertionError(f"nobody asks for {run_id} here")


class Agents:
    default_id = AgentId("main")

    def knows(self, agent_id: str) -> bool:
        return agent_id == "main"


class World:
    def __init__(self, wakes: Wakes, clock: FakeClock) -> None:
        self.runs, self.wakes, self.dispatched = Runs(), wakes, Dispatched()
        self.subscriptions = Subscriptions(canonical)
        self.events = NodeEvents(
            self.runs,
            wakes,
            agents=Agents(),
            to_key=canonical,
            subscriptions=self.subscriptions,
            dispatched=self.dispatched,
            clock=clock,
        )

    async def tell(self, event: str, payload: Any = None) -> None:
        await self.events.take(NODE, event, payload)

    async def notes(self) -> list[Note]:
        return await self.wakes.queued(MAIN)


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    clock = FakeClock()
    async with memory_database() as database:
        yield World(Wakes(database, clock), clock)


async def test_a_spoken_text_runs_in_the_main_session() -> None:
    async with world() as w:
        await w.tell("voice.transcript", {"text": " hello "})
        (run,) = w.runs.taken
        assert (run.message, run.session_key, run.shown_key) == ("hello", MAIN, "main")
        assert run.run_id.startswith("voice-")
        assert run.thinking is ThinkingLevel.LOW
        assert run.agent_id == "main"


async def test_what_a_node_says_has_the_rights_of_a_guest_not_of_the_owner() -> None:
    async with world() as w:
        await w.tell("agent.request", {"message": "delete it all", "sessionKey": "main"})
        run = w.runs.taken[0]
        assert run.source is RunSource.VISITOR
        assert not run.as_chat
        where = run.provenance
        assert (where.origin, where.authority) == (Origin.CHANNEL, Authority.PAIRED)
        assert (where.channel, where.sender_id) == ("node", "n1")


@pytest.mark.parametrize(
    ("given", "thinking", "timeout_s"),
    [
        ({"thinking": "high", "timeoutSeconds": 5}, ThinkingLevel.HIGH, 5.0),
        ({"thinking": "deeply", "timeoutSeconds": -1}, None, None),
        ({"thinking": 3, "timeoutSeconds": True}, None, None),
        ({"timeoutSeconds": 1e12}, None, 86_400.0),
        ({}, None, None),
    ],
)
async def test_a_request_says_how_to_think_and_how_long(
    given: Any, thinking: ThinkingLevel | None, timeout_s: float | None
) -> None:
    async with world() as w:
        await w.tell("agent.request", {"message": "hi", **given})
        run = w.runs.taken[0]
        assert (run.thinking, run.timeout_s) == (thinking, timeout_s)
        assert run.session_key == "agent:main:node-n1"


@pytest.mark.parametrize("event", ["voice.transcript", "agent.request"])
@pytest.mark.parametrize(
    "payload", [None, [], "x", {}, {"text": " ", "message": " "}, {"text": 3, "message": 3}]
)
async def test_without_a_text_nothing_runs(event: str, payload: Any) -> None:
    async with world() as w:
        await w.tell(event, payload)
        assert w.runs.taken == []


async def test_a_text_has_its_limit() -> None:
    async with world() as w:
        await w.tell("voice.transcript", {"text": "x" * MAX_TEXT_CHARS})
        await w.tell("voice.transcript", {"text": "x" * (MAX_TEXT_CHARS + 1)})
        assert len(w.runs.taken) == 1


async def test_a_broken_session_key_is_refused() -> None:
    async with world() as w:
        with pytest.raises(Refused):
            await w.tell("voice.transcript", {"text": "hi", "sessionKey": "agent:..:x"})


async def test_a_node_follows_a_session_until_it_does_not() -> None:
    async with world() as w:
        health = Event("health", {})
        for payload in (None, {}, {"sessionKey": 3}):
            await w.tell("chat.subscribe", payload)
            await w.tell("chat.unsubscribe", payload)
        assert w.subscriptions.followers(health) == frozenset()
        await w.tell("chat.subscribe", {"sessionKey": "main"})
        assert w.subscriptions.followers(health) == {NODE.conn_id}
        await w.tell("chat.unsubscribe", {"sessionKey": "main"})
        assert w.subscriptions.followers(health) == frozenset()


NEWS: tuple[tuple[ExecNews, dict[str, Any], str, bool], ...] = (
    ("exec.started", {"command": "ls -l"}, "started on node n1, run r1: ls -l", False),
    ("exec.started", {}, "started on node n1, run r1", False),
    ("exec.finished", {"exitCode": 0, "output": "a b"}, "run r1, exit code 0.\na b", True),
    ("exec.finished", {"exitCode": 0.5}, "run r1, exit code unknown.", True),
    ("exec.finished", {"timedOut": True}, "run r1, it took too long.", True),
    ("exec.denied", {"reason": "no", "command": "rm"}, "not run on node n1, run r1 (no): rm", True),
    ("exec.denied", {}, "not run on node n1, run r1 (no reason given)", True),
)


@pytest.mark.parametrize(("news", "fields", "text", "wants_turn"), NEWS)
async def test_news_of_a_program_waits_in_the_session_that_asked_for_it(
    news: ExecNews,
    fields: dict[str, Any],
    text: str,
    wants_turn: bool,
) -> None:
    async with world() as w:
        w.dispatched.add("n1", "r1", "main", 0.0)
        await w.tell(news, {"runId": "r1", "sessionKey": "other", **fields})
        (note,) = await w.notes()
        assert note.text.endswith(text)
        assert note.wants_turn is wants_turn
        assert note.provenance.authority <= Authority.OUTSIDE
        assert w.runs.taken == []


async def test_news_of_a_program_nobody_asked_for_is_ignored() -> None:
    async with world() as w:
        w.dispatched.add("n2", "r1", "main", 0.0)
        for payload in ({"runId": "r1"}, {"runId": "r9"}, {}, None):
            await w.tell("exec.finished", payload)
        await w.tell("something.else", {"runId": "r1"})
        assert await w.notes() == []


async def test_a_programs_output_is_cut() -> None:
    async with world() as w:
        w.dispatched.add("n1", "r1", "main", 0.0)
        await w.tell("exec.finished", {"runId": "r1", "exitCode": 1, "output": "x" * 100_000})
        (note,) = await w.notes()
        assert len(note.text) < 5_000
