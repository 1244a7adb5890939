"""`sessions_spawn` as a model calls it."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.agent.subagents.service import SubAgents
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.spawn import spawn_tools
from carapace.clock import SystemClock
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.provenance import OWNER, Authority, Origin, Provenance
from support.agent_house import AgentHouse, agent_house, ask
from support.scripted_provider import call_tool, say

SETTINGS = AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True))


async def asked(house: AgentHouse, provenance: Provenance = OWNER) -> dict[str, Any]:
    """The tool's result, once parent, child and the telling of its end are over."""
    sub = SubAgents(
        house.agent,
        house.sessions,
        house.profiles,
        settings=lambda: SETTINGS,
        database=house.database,
        clock=SystemClock(),
    )
    house.agent._turns._tools.add(*spawn_tools(sub).values())
    run = await house.agent.submit(ask("please", provenance=provenance))
    await run.ended()
    assert await sub._tasks.drain(5.0)
    await sub.aclose()
    history = await house.sessions.history("main")
    (result,) = [one for one in history if one.role == "toolResult"]
    return {"text": result.text, "is_error": result.is_error}


CALL = call_tool(
    "sessions_spawn",
    '{"task": "count", "label": "Counter", "runTimeoutSeconds": 60, "cleanup": "keep"}',
)


async def test_the_model_is_told_at_once_and_hears_of_the_end_later():
    scripts = (CALL, say("started"), say("42"), say("It is 42."))
    async with agent_house(*scripts, tools=builtin_tools(), max_concurrent=1) as house:
        result = await asked(house)
        answer = msgspec.json.decode(result["text"])
        assert answer["status"] == "accepted"
        assert answer["childSessionKey"].startswith("agent:main:subagent:")
        texts = [one.text for one in await house.sessions.history("main")]
    assert texts[-1] == "It is 42."


async def test_words_of_others_start_none():
    guest = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED, channel="matrix")
    async with agent_house(CALL, say("no"), tools=builtin_tools()) as house:
        result = await asked(house, guest)
    assert result["is_error"]
    assert "not permitted" in result["text"]


async def test_a_refusal_reaches_the_model_in_words():
    wrong = call_tool("sessions_spawn", '{"task": "x", "agentId": "nobody"}')
    async with agent_house(wrong, say("sorry"), tools=builtin_tools()) as house:
        result = await asked(house)
    assert result["is_error"]
    assert "may not be used for this" in result["text"]
