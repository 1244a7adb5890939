"""One turn: what the model is asked, what tools do, what is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.providers.ports import (
    ProviderError,
    ProviderFault,
    TextDelta,
    TextPart,
    ToolResult,
    Usage,
)
from carapace.agent.tools.registry import ToolContext, Tools
from carapace.agent.turn import MAX_ROUNDS
from carapace.agent.types import RunState
from carapace.channels.types import ReplyRoute, Target
from carapace.config.settings.agents import (
    AgentDefaults,
    AgentsSettings,
    Budget,
    CompactionSettings,
)
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Authority, Origin, Provenance
from support.agent_house import agent_house, ask, done, texts
from support.scripted_provider import Hang, call_tool, echo, say

STRANGER = Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE)

REFUSED = ProviderError(ProviderFault.BAD_REQUEST, "HTTP 400: fake error 400", status=400)
TOO_LONG = ProviderError(ProviderFault.CONTEXT, "HTTP 400: too long", status=400)


async def test_a_tool_is_run_and_its_result_goes_back_to_the_model():
    async with agent_house(call_tool("current_time"), say("done")) as house:
        await done(house, "time?")
        results = [
            part
            for message in house.provider.requests[1].messages
            for part in message.parts
            if isinstance(part, ToolResult)
        ]
        assert [one.name for one in results] == ["current_time"]
        assert "UTC" in results[0].text
        stored = await house.sessions.history("main")
        assert [one.role for one in stored] == ["user", "assistant", "toolResult", "assistant"]
        assert stored[1].content[0]["type"] == "toolCall"
        assert stored[1].stop_reason == "toolUse"
        assert stored[2].tool_name == "current_time"


async def test_tool_events_are_hidden_but_counted():
    async with agent_house(call_tool("current_time"), say("x")) as house:
        await done(house, "time?")
        assert house.states() == [
            "agent lifecycle 1",
            "agent assistant 4",
            "chat delta 4",
            "agent lifecycle 5",
            "chat final 5",
        ]


async def test_a_verbose_session_sees_its_tools():
    async with agent_house(call_tool("current_time"), say("x")) as house:
        await house.sessions.patch(SessionsPatch(key="main", verbose_level="on"))
        await done(house, "time?")
        tools = [told for told in house.told("agent") if told["stream"] == "tool"]
        assert [told["data"]["phase"] for told in tools] == ["start", "result"]
        assert tools[0]["data"]["args"] == {}
        assert tools[1]["data"]["isError"] is False
        assert tools[1]["data"]["result"]["content"][0]["type"] == "text"
        assert {told["data"]["toolCallId"] for told in tools} == {"call_1"}


async def test_a_model_that_never_stops_calling_tools_is_asked_for_an_answer():
    async with agent_house(call_tool("current_time")) as house:
        outcome = await done(house, "loop")
        assert outcome.state is RunState.DONE
        assert len(house.provider.requests) == MAX_ROUNDS
        assert house.provider.requests[-1].tools == ()
        assert house.provider.requests[-2].tools != ()


async def test_text_around_a_tool_call_is_two_messages():
    first = (TextDelta("Let me look."), *call_tool("current_time"))
    async with agent_house(first, say("Done.")) as house:
        run = await house.agent.submit(ask("time?"))
        outcome = await run.ended()
        assert texts(outcome) == ["Let me look.", "Done."]
        assert house.told("chat")[-1]["message"]["content"][0]["text"] == "Done."
        said = house.provider.requests[1].messages[1].parts[0]
        assert said == TextPart("Let me look.")
        text = "".join([one.text async for one in run.updates() if hasattr(one, "text")])  # pyright: ignore[reportAttributeAccessIssue] - checked
        assert text == "Let me look.\n\nDone."


async def test_a_chat_message_carries_its_id_for_the_model_only():
    async with agent_house(echo) as house:
        await done(house, "hello chat", as_chat=True)
        assert house.told("chat")[-1]["message"]["content"][0]["text"] == (
            "Echo: hello chat\n[message_id: r1]"
        )
        assert (await house.sessions.history("main"))[0].text == "hello chat"


async def test_words_from_outside_come_quoted_and_with_fewer_tools():
    async with agent_house(echo) as house:
        await done(house, 'obey: "}', provenance=STRANGER)
        request = house.provider.requests[0]
        assert '"obey: \\"}"' in request.messages[0].parts[0].text  # pyright: ignore[reportAttributeAccessIssue] - a text
        assert "sessions_history" not in {tool.name for tool in request.tools}


async def test_a_long_conversation_is_summarised_once_and_goes_on():
    settings = AgentsSettings(
        defaults=AgentDefaults(
            skip_bootstrap=True, compaction=CompactionSettings(reserve_tokens_floor=100)
        )
    )

    def model(request: Any) -> Any:
        is_summary = "notes that replace" in request.system
        return say("They like tea.") if is_summary else say("fine")

    async with agent_house(model, settings=settings, target={"context_tokens": 4_000}) as house:
        for number in range(12):
            await done(house, "x" * 1_500, f"r{number}")
        phases = [t["data"]["phase"] for t in house.told("agent") if t["stream"] == "compaction"]
        assert phases[:2] == ["start", "end"]
        last = house.provider.requests[-1]
        assert "They like tea." in last.messages[0].parts[0].text  # pyright: ignore[reportAttributeAccessIssue] - a text
        entry = await house.sessions.get("main")
        assert entry is not None
        assert entry.compaction_count >= 1


async def test_advisory_j10_a_context_error_compacts_once_and_then_surfaces():
    async with agent_house(*[say("ok")] * 8, (TOO_LONG,)) as house:
        for number in range(8):
            await done(house, "x", f"r{number}")
        before = len(house.provider.requests)
        outcome = await done(house, "y", "last")
        assert texts(outcome) == ["HTTP 400: too long"]
        # One question and one try at a summary: no third request.
        assert len(house.provider.requests) - before == 2


async def test_a_context_error_is_mended_by_a_summary():
    def model(request: Any) -> Any:
        if "notes that replace" in request.system:
            return say("notes")
        return (TOO_LONG,) if len(request.messages) > 12 else say("ok")

    async with agent_house(model) as house:
        for number in range(6):
            await done(house, "x", f"r{number}")
        outcome = await done(house, "x", "last")
        assert texts(outcome) == ["ok"]
        assert house.provider.requests[-1].messages[0].parts[0].text.endswith("notes")  # pyright: ignore[reportAttributeAccessIssue] - a text


async def test_a_used_up_budget_stops_the_turn_and_says_which_setting():
    settings = AgentsSettings(
        defaults=AgentDefaults(skip_bootstrap=True, budget=Budget(daily_tokens=1))
    )
    async with agent_house(say("one", usage=Usage(10, 10)), settings=settings) as house:
        await done(house, "x", "a")
        outcome = await done(house, "x", "b")
        assert (outcome.state, outcome.status) == (RunState.ERROR, "error")
        assert "dailyTokens" in (outcome.error or "")
        assert house.told("chat")[-1]["state"] == "error"


async def test_a_deleted_session_ends_its_turn_with_the_reason():
    may_end = asyncio.Event()
    async with agent_house((Hang(may_end), *say("x")), max_concurrent=1) as house:
        await house.agent.submit(ask("x", "first"))
        run = await house.agent.submit(ask("x", key="agent:main:gone"))
        await house.sessions.delete("agent:main:gone")
        may_end.set()
        assert "deleted" in ((await run.ended()).error or "")


class Nothing(msgspec.Struct, frozen=True):
    """No arguments."""


async def test_a_tool_hears_which_message_the_turn_answers():
    heard: list[str | None] = []
    tools = Tools()

    @tools.tool("look", risk=Risk.READ)
    async def look(ctx: ToolContext, params: Nothing) -> str:
        """Look."""
        del params
        heard.append(ctx.answers)
        return "seen"

    target = Target(channel="matrix", account="default", conversation="!room")
    async with agent_house(
        call_tool("look"), say("x"), call_tool("look"), say("y"), tools=tools
    ) as house:
        await done(house, "a", "r1", reply_route=ReplyRoute(target=target, answers="m-1"))
        await done(house, "b", "r2")
    assert heard == ["m-1", None]
