"""When sessions begin and end, as hooks hear it."""

from __future__ import annotations

from pathlib import Path

from carapace.clock import SystemClock
from carapace.hooks.points import SESSION_END, SESSION_START, SessionEnd, SessionStart
from carapace.sessions.life import SessionLife
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy
from support.agent_house import MAIN, agent_house, ask, typed
from support.database import memory_database
from support.hook_bus import hook_bus, overheard
from support.scripted_provider import say


async def test_a_session_starts_with_its_first_message_and_only_then():
    async with hook_bus() as bus, agent_house(say("hi"), hooks=bus) as house:
        heard = overheard(bus, SESSION_START, SESSION_END)
        run = await house.agent.submit(ask("hello", "r1"))
        await run.ended()
        await (await house.agent.submit(ask("more", "r2"))).ended()
        await (await house.agent.submit(ask("hello", "r1"))).ended()
        assert await bus.drain(5.0)
        assert heard == [SessionStart(MAIN, run.session_id, "main")]


async def test_a_reply_without_a_model_can_be_the_first_message():
    async with hook_bus() as bus, agent_house(say("hi"), hooks=bus) as house:
        heard = overheard(bus, SESSION_START)
        run = await house.agent.submit(typed("/status"))
        assert await bus.drain(5.0)
        assert heard == [SessionStart(MAIN, run.session_id, "main")]


async def test_reset_and_delete_end_the_transcript_that_was(tmp_path: Path):
    async with hook_bus() as bus, memory_database() as database:
        heard = overheard(bus, SESSION_START, SESSION_END)
        sessions = Sessions(database, SystemClock(), policy=SessionPolicy, path=tmp_path, hooks=bus)
        await sessions.reset("agent:main:side")
        first = await sessions.ensure("agent:main:side")
        assert first is not None
        await sessions.reset("agent:main:side")
        second = await sessions.ensure("agent:main:side")
        await sessions.delete("agent:main:side")
        await sessions.delete("agent:main:side")
        assert await bus.drain(5.0)
        assert heard == [
            SessionEnd(first.key, first.session_id, "main", "reset"),
            SessionEnd(second.key, second.session_id, "main", "delete"),
        ]


def test_without_hooks_nobody_is_told():
    life = SessionLife(None)
    life.started("agent:main:main", "s", "main")
    life.ended(None, "reset")
