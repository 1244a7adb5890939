"""Sub-agents: who may start them, that their ends are told once, also after a crash."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.providers.ports import TextDelta
from carapace.agent.runs import Run
from carapace.agent.subagents import records
from carapace.agent.subagents.service import SpawnWish, SubAgents
from carapace.agent.types import RunState
from carapace.channels.types import ReplyRoute, Target
from carapace.clock import SystemClock
from carapace.config.settings.agents import (
    AgentDefaults,
    AgentEntry,
    AgentsSettings,
    AgentSubagents,
    SubagentDefaults,
)
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.sessions import SessionsList
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.agent_house import MAIN, AgentHouse, agent_house, ask, build_house
from support.scripted_provider import Hang, ScriptedProvider, echo, say

HANGING = (TextDelta("w0"), Hang())
SETTINGS = AgentsSettings(
    defaults=AgentDefaults(skip_bootstrap=True, subagents=SubagentDefaults(max_concurrent=2)),
    list=(
        AgentEntry(id="main", default=True, subagents=AgentSubagents(allow_agents=("helper",))),
        AgentEntry(id="helper"),
        AgentEntry(id="private"),
    ),
)


@dataclass
class Nest:
    """Sub-agents with a turn that asks for them."""

    house: AgentHouse
    sub: SubAgents
    run: Run

    async def spawn(self, task: str = "count", **more: Any) -> SessionKey:
        wish = SpawnWish(task=task, **more)
        spawned = await self.sub.spawn(wish, parent=MAIN, run_id=self.run.run_id, provenance=OWNER)
        return spawned.session_key

    async def owed(self) -> list[records.SubagentRow]:
        return await self.house.database.read(records.owed)

    async def reports(self) -> list[str]:
        history = await self.house.sessions.history(MAIN)
        return [one.text for one in history if one.role == "user" and "Task:" in one.text]


def over(house: AgentHouse) -> SubAgents:
    return SubAgents(
        house.agent,
        house.sessions,
        house.profiles,
        settings=lambda: SETTINGS,
        database=house.database,
        clock=SystemClock(),
    )


@asynccontextmanager
async def nest(*scripts: Any, route: ReplyRoute | None = None) -> AsyncGenerator[Nest]:
    """The first script answers the parent's first message."""
    async with agent_house(say("on it"), *scripts, settings=SETTINGS) as house:
        sub = over(house)
        run = await house.agent.submit(ask("please", "p1", reply_route=route))
        await run.ended()
        try:
            yield Nest(house, sub, run)
        finally:
            await sub.aclose()


async def test_its_end_is_told_to_the_conversation_that_asked():
    async with nest(say("forty-two"), say("It counted 42.")) as one:
        child = await one.spawn("count to 42", label="Counter", thinking="high")
        assert child.startswith("agent:main:subagent:")
        await until_told(one)
        (report,) = await one.reports()
        history = await one.house.sessions.history(MAIN)
        entry = await one.house.sessions.get(child)
    assert "Sub-agent: Counter" in report
    assert "It finished." in report
    assert "forty-two" in report
    assert history[-1].text == "It counted 42."
    assert entry is not None
    assert (entry.spawned_by, entry.label, entry.thinking_level) == (MAIN, "Counter", "high")
    child_request, parent_request = one.house.provider.requests[1:]
    assert "You are a sub-agent" in child_request.system
    assert "a sub-agent that you started has ended" in parent_request.system
    assert "current_time" in {tool.name for tool in child_request.tools}
    assert "sessions_history" not in {tool.name for tool in parent_request.tools}


async def until_told(one: Nest) -> None:
    """Wait until the watchers have ended: nothing is owed then."""
    assert await one.sub._tasks.drain(5.0)
    assert await one.owed() == []


async def test_children_are_listed_by_their_parent():
    async with nest(HANGING) as one:
        child = await one.spawn()
        page = await one.house.sessions.page(SessionsList(spawned_by="main"))
        assert [row.key for row in page.sessions] == [child]


async def test_the_row_is_on_disk_before_the_start_is_acknowledged():
    async with nest(HANGING) as one:
        child = await one.spawn("long work")
        (row,) = await one.owed()
        assert (row.child_key, row.parent_key, row.task) == (child, MAIN, "long work")
        assert (row.parent_run_id, row.provenance) == ("p1", OWNER)


async def test_the_answer_goes_where_the_parents_goes():
    target = Target(channel="matrix", account="default", conversation="!room")
    async with nest(HANGING, route=ReplyRoute(target=target)) as one:
        await one.spawn()
        (row,) = await one.owed()
        assert row.target == target


async def test_stopping_the_parent_stops_its_children_and_tells_nothing():
    async with nest(HANGING) as one:
        child = await one.spawn()
        await one.house.provider.hanging.wait()
        run = next(iter(one.house.agent._book.live(child)))
        ended = await one.house.agent.abort(MAIN)
        assert ended == (run.run_id,)
        assert (await run.ended()).state is RunState.ABORTED
        await until_told(one)
        assert await one.reports() == []


async def test_stopping_another_turn_of_the_parent_leaves_them():
    async with nest(HANGING) as one:
        await one.spawn()
        assert await one.house.agent.abort(MAIN, RunId("other")) == ()
        assert one.sub.running == 1


async def test_a_child_that_runs_out_of_time_is_told_as_that():
    async with nest(HANGING, say("Too slow.")) as one:
        await one.spawn(timeout_s=0.05)
        await until_told(one)
        (report,) = await one.reports()
    assert "It ran out of time." in report


async def test_its_session_goes_with_it_where_that_was_asked():
    async with nest(say("done"), say("It is done.")) as one:
        child = await one.spawn(cleanup="delete")
        await until_told(one)
        assert await one.house.sessions.get(child) is None


@pytest.mark.parametrize(
    ("provenance", "parent", "text"),
    [
        (OWNER, "agent:main:subagent:x", "cannot start sub-agents"),
        (
            Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED),
            MAIN,
            "owner's own words",
        ),
        (OWNER.through(Origin.OUTSIDE), MAIN, "owner's own words"),
        (OWNER.through(Origin.SESSION), MAIN, "owner's own words"),
    ],
)
async def test_who_may_start_none(provenance: Provenance, parent: str, text: str):
    async with nest() as one:
        with pytest.raises(Refused, match=text):
            await one.sub.spawn(
                SpawnWish(task="x"),
                parent=SessionKey(parent),
                run_id=one.run.run_id,
                provenance=provenance,
            )
        assert await one.owed() == []


async def test_only_so_many_run_at_once():
    async with nest(HANGING) as one:
        await one.spawn()
        await one.spawn()
        with pytest.raises(Refused, match=r"subagents\.maxConcurrent"):
            await one.spawn()


async def test_another_agent_has_to_be_named_in_the_settings():
    async with nest(HANGING) as one:
        assert (await one.spawn(agent_id="Helper")).startswith("agent:helper:subagent:")
        for name in ("private", "nobody"):
            with pytest.raises(Refused, match="only: helper, main"):
                await one.spawn(agent_id=name)


@pytest.mark.parametrize("wrong", [{"thinking": "harder"}, {"model": "/"}])
async def test_a_wish_that_makes_no_sense_leaves_nothing_behind(wrong: dict[str, str]):
    async with nest() as one:
        with pytest.raises(Refused):
            await one.spawn(**wrong)
        assert (await one.owed(), one.sub.running) == ([], 0)


async def test_a_child_that_cannot_be_begun_leaves_nothing_behind():
    async with nest() as one:
        one.house.agent._is_draining = True
        with pytest.raises(Exception, match="stopping"):
            await one.spawn()
        one.house.agent._is_draining = False
        assert (await one.owed(), one.sub.running) == ([], 0)
        page = await one.house.sessions.page(SessionsList(spawned_by=MAIN))
        assert page.sessions == []


def after_crash(one: Nest, *scripts: Any) -> AgentHouse:
    """Another process over the same database; nothing of the first one is told."""
    return build_house(
        one.house.database,
        Path(one.house.folder),
        ScriptedProvider(*scripts),
        clock=SystemClock(),
        settings=SETTINGS,
    )


async def recovered(one: Nest, house: AgentHouse, count: int) -> SubAgents:
    await house.agent.recover()
    again = over(house)
    assert await again.recover() == count
    assert await again._tasks.drain(5.0)
    assert await one.owed() == []
    return again


async def test_after_a_crash_the_end_is_told_once():
    async with nest(HANGING) as one:
        await one.spawn("long work")
        await one.house.provider.hanging.wait()
        await one.sub.aclose()
        house = after_crash(one, say("It was interrupted."))
        again = await recovered(one, house, 1)
        (report,) = await one.reports()
        assert "was interrupted by a restart" in report
        await again.aclose()
        more = await recovered(one, house, 0)
        assert len(await one.reports()) == 1
        await more.aclose()
        await house.agent.drain(0.0)


async def test_a_telling_that_was_cut_is_begun_again():
    async with nest(say("forty-two"), HANGING) as one:
        await one.spawn()
        await one.house.provider.hanging.wait()
        await one.sub.aclose()
        house = after_crash(one, echo)
        again = await recovered(one, house, 1)
        first, second = await one.reports()
        assert first == second
        assert "forty-two" in second
        await again.aclose()
        await house.agent.drain(0.0)


async def test_a_telling_that_ended_is_not_begun_again():
    async with nest(say("forty-two"), say("Told.")) as one:
        await one.spawn()
        await until_told(one)

        def as_if_unmarked(tx: Any) -> None:
            tx.execute("UPDATE subagents SET announced_at_ms = NULL")

        await one.house.database.write(as_if_unmarked)
        house = after_crash(one, echo)
        again = await recovered(one, house, 1)
        assert len(await one.reports()) == 1
        await again.aclose()
        await house.agent.drain(0.0)


async def test_one_that_never_began_is_told_as_that():
    async with nest() as one:
        row = records.SubagentRow(
            run_id=RunId("lost"),
            parent_key=MAIN,
            parent_run_id=RunId("p1"),
            shown_key="main",
            child_key=SessionKey("agent:main:subagent:lost"),
            parent_agent_id=AgentId("main"),
            label=None,
            task="vanish",
            cleanup="keep",
            target=None,
            provenance=OWNER,
            created_at_ms=1,
        )
        await one.house.database.write(lambda tx: records.insert(tx, row))
        house = after_crash(one, echo)
        again = await recovered(one, house, 1)
        (report,) = await one.reports()
        assert "never began" in report
        await again.aclose()
        await house.agent.drain(0.0)


async def test_a_conversation_that_is_gone_is_told_nothing():
    async with nest(HANGING) as one:
        other = await one.house.agent.submit(ask("go", "p2", key="agent:main:side"))
        await one.sub.spawn(
            SpawnWish(task="x"),
            parent=SessionKey("agent:main:side"),
            run_id=other.run_id,
            provenance=OWNER,
        )
        await one.sub.aclose()
        await one.house.sessions.delete("agent:main:side")
        house = after_crash(one, echo)
        again = await recovered(one, house, 1)
        assert await house.sessions.get("agent:main:side") is None
        await again.aclose()
        await house.agent.drain(0.0)
