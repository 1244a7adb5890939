"""What a model is told before the conversation."""

from __future__ import annotations

from carapace.agent.providers.ports import (
    ImagePart,
    ProviderError,
    ProviderFault,
    ThinkingLevel,
)
from carapace.agent.tools.policy import Layer, ToolLayers
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Authority, Origin, Provenance
from support.agent_house import agent_house, done
from support.scripted_provider import echo, say

STRANGER = Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE)

REFUSED = ProviderError(ProviderFault.BAD_REQUEST, "HTTP 400: fake error 400", status=400)
TOO_LONG = ProviderError(ProviderFault.CONTEXT, "HTTP 400: too long", status=400)


async def test_thinking_is_the_messages_then_the_sessions_then_off():
    async with agent_house(echo) as house:
        await done(house, "x", "a")
        await house.sessions.patch(SessionsPatch(key="main", thinking_level="low"))
        await done(house, "x", "b")
        await done(house, "x", "c", thinking=ThinkingLevel.HIGH)
        levels = [request.thinking for request in house.provider.requests]
        assert levels == [ThinkingLevel.OFF, ThinkingLevel.LOW, ThinkingLevel.HIGH]


async def test_pictures_reach_a_model_that_sees_and_others_are_told():
    picture = ImagePart("image/png", "iVBORw0KGgo=")
    async with agent_house(echo, target={"takes_images": True}) as house:
        await done(house, "look", images=(picture,))
        assert picture in house.provider.requests[0].messages[0].parts
    async with agent_house(say("no")) as house:
        await done(house, "look", "a", images=(picture,))
        await done(house, "", "b", images=(picture,))
        request = house.provider.requests[0]
        assert all(not isinstance(p, ImagePart) for m in request.messages for p in m.parts)
        assert "picture(s) that you cannot see" in request.system


async def test_the_callers_addition_and_model_choice_are_used():
    async with agent_house(echo) as house:
        await house.sessions.patch(SessionsPatch(key="main", model="other/model"))
        await done(house, "x", extra_system_prompt="Speak like a pirate.")
        assert "Speak like a pirate." in house.provider.requests[0].system
        assert house.models.asked == ["other/model"]


async def test_the_report_names_what_the_prompt_was_made_of():
    async with agent_house(echo) as house:
        (house.folder / "workspace").mkdir()
        (house.folder / "workspace" / "SOUL.md").write_text("Be kind.")
        outcome = await done(house, "x")
        assert outcome.result is not None
        report = outcome.result.meta.system_prompt_report
        assert report is not None
        assert report.session_key == "main"
        files = {file.name: file for file in report.injected_workspace_files}
        assert (files["SOUL.md"].injected_chars, files["AGENTS.md"].missing) == (8, True)
        assert "Be kind." in house.provider.requests[0].system
        assert report.system_prompt.chars == len(house.provider.requests[0].system)


async def test_an_embedded_model_gets_a_short_prompt_and_few_tools():
    async with agent_house(echo, target={"is_embedded": True}) as house:
        await done(house, "x")
        request = house.provider.requests[0]
        assert len(request.system) < 800
        assert [tool.name for tool in request.tools] == [
            "current_time",
            "memory_write",
            "memory_search",
            "sessions_list",
            "session_status",
        ]


async def test_the_model_that_answers_is_part_of_where_tools_run():
    async with agent_house(echo) as house:
        denied = Layer("tools.byProvider", deny=("current_time",))
        house.tools.restrict(ToolLayers(providers={("", "fake/fake-1"): (denied,)}))
        await done(house, "x")
        assert "current_time" not in {tool.name for tool in house.provider.requests[0].tools}
