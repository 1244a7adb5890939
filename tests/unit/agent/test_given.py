"""What a caller brings along becomes part of the conversation; a tool of its own ends a run."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.given import MAX_EARLIER
from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelMessage,
    Stop,
    TextDelta,
    TextPart,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from carapace.errors import Refused
from support.agent_house import AgentHouse, agent_house, ask, done, texts
from support.scripted_provider import Script, call_tool, echo, say

KEY = "agent:main:openai:1"
WEATHER = ToolSpec("get_weather", "w", {"type": "object"})
SAID = ModelMessage("user", (TextPart("one"),))
CALLED = ModelMessage("assistant", (TextPart("wait"), ToolCall("c1", "get_weather", '{"a":1}')))
RESULT = ToolResult("c1", "get_weather", "rain")


def both(*calls: Any) -> Script:
    return (TextDelta("hm"), *calls, Usage(10, 8), Stop("tool_calls"))


async def seen(house: AgentHouse, number: int = -1) -> list[tuple[str, str]]:
    """Role and first words of what the model was shown."""
    shown: list[tuple[str, str]] = []
    for message in house.provider.requests[number].messages:
        part = message.parts[0]
        text = part.name if isinstance(part, ToolCall) else getattr(part, "text", "a picture")
        shown.append((message.role, text))
    return shown


async def test_a_tool_of_the_caller_ends_the_run_and_the_outcome_says_with_what():
    async with agent_house(call_tool("get_weather", '{"city":"Oslo"}')) as house:
        outcome = await done(house, "weather?", key=KEY, client_tools=(WEATHER,))
        assert outcome.result is not None
        meta = outcome.result.meta
        assert meta.stop_reason == "tool_calls"
        (call,) = meta.pending_tool_calls
        assert (call.id, call.name, call.arguments) == ("call_1", "get_weather", '{"city":"Oslo"}')
        assert len(house.provider.requests) == 1
        assert WEATHER in house.provider.requests[0].tools


async def test_our_own_tools_asked_for_beside_it_are_run():
    script = both(ToolCall("c0", "current_time", "{}"), ToolCall("c1", "get_weather", "{}"))
    async with agent_house(script, echo) as house:
        outcome = await done(house, "weather?", key=KEY, client_tools=(WEATHER,))
        assert texts(outcome) == ["hm"]
        await done(house, "", "r2", key=KEY, tool_results=(RESULT,))
        last = house.provider.requests[-1].messages[-1]
        assert [part.name for part in last.parts if isinstance(part, ToolResult)] == [
            "current_time",
            "get_weather",
        ]


async def test_the_callers_tool_wins_over_ours_of_the_same_name():
    mine = ToolSpec("current_time", "theirs", {"type": "object"})
    async with agent_house(call_tool("current_time")) as house:
        outcome = await done(house, "time?", key=KEY, client_tools=(mine,))
        named = [tool for tool in house.provider.requests[0].tools if tool.name == "current_time"]
        assert named == [mine]
        assert outcome.result is not None
        assert outcome.result.meta.pending_tool_calls


async def test_a_result_continues_the_conversation_without_a_message():
    async with agent_house(call_tool("get_weather", call_id="c1"), say("rain")) as house:
        await done(house, "weather?", key=KEY, client_tools=(WEATHER,))
        await done(house, "", "r2", key=KEY, tool_results=(RESULT,))
        assert await seen(house) == [
            ("user", "weather?"),
            ("assistant", "get_weather"),
            ("tool", "rain"),
        ]
        stored = await house.sessions.history(KEY)
        assert [one.role for one in stored] == ["user", "assistant", "toolResult", "assistant"]


async def test_a_new_session_takes_over_what_was_said_before():
    picture = ModelMessage("user", (TextPart("look"), ImagePart("image/png", "aGk=")))
    earlier = (SAID, ModelMessage("assistant", (TextPart("two"),)), picture)
    async with agent_house(echo) as house:
        await done(house, "three", key=KEY, earlier=earlier)
        assert await seen(house) == [
            ("user", "one"),
            ("assistant", "two"),
            ("user", "look"),
            ("user", "three"),
        ]
        await done(house, "four", "r2", key=KEY, earlier=earlier)
        said = [text for _, text in await seen(house)]
        assert said == ["one", "two", "look", "three", "Echo: three", "four"]


async def test_a_result_brings_its_call_along_if_the_session_lacks_it():
    async with agent_house(echo) as house:
        await done(house, "before", key=KEY)
        given = {"earlier": (SAID, CALLED), "tool_results": (RESULT,)}
        await done(house, "", "r2", key=KEY, **given)
        assert (await seen(house))[-3:] == [
            ("user", "one"),
            ("assistant", "wait"),
            ("tool", "rain"),
        ]


async def test_a_result_that_answers_no_call_is_refused():
    async with agent_house(echo) as house:
        with pytest.raises(Refused, match="no tool was called with the id 'c1'"):
            await house.agent.submit(ask("", key=KEY, tool_results=(RESULT,)))


async def test_of_a_very_long_past_the_newest_part_is_kept():
    earlier = tuple(
        ModelMessage("user", (TextPart(f"m{number}"),)) for number in range(MAX_EARLIER + 5)
    )
    async with agent_house(echo) as house:
        await done(house, "now", key=KEY, earlier=earlier)
        assert (await seen(house))[0] == ("user", "m5")


async def test_an_answer_that_was_cut_says_so():
    async with agent_house((TextDelta("x"), Usage(1, 1), Stop("length"))) as house:
        outcome = await done(house, "long")
        assert outcome.result is not None
        assert outcome.result.meta.stop_reason == "length"


async def test_a_session_begins_with_what_was_given():
    async with agent_house(echo) as house:
        run = await house.agent.submit(ask("x", key=KEY, earlier=(SAID,)))
        await run.ended()
        assert run.begins_session
        empty = await house.agent.submit(
            ask("x", "r2", key="agent:main:2", earlier=(ModelMessage("user", ()),))
        )
        await empty.ended()
        assert empty.begins_session


async def test_a_forced_call_leaves_only_the_callers_tools():
    async with agent_house(call_tool("get_weather")) as house:
        forced = ForcedCall("get_weather")
        await done(house, "hi", key=KEY, client_tools=(WEATHER,), forced_call=forced)
        await done(house, "hi", "r2", key="agent:main:two", client_tools=(WEATHER,))
        first, free = house.provider.requests
        assert (first.tools, first.forced_call) == ((WEATHER,), forced)
        assert len(free.tools) > 1
        assert free.forced_call is None
