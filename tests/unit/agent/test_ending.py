"""How turns end, and what is left behind."""

from __future__ import annotations

from typing import Any

from msgspec.structs import force_setattr

from carapace.agent.providers.ports import (
    ProviderError,
    ProviderFault,
    TextDelta,
    Usage,
)
from carapace.agent.types import RunState
from carapace.provenance import Authority, Origin, Provenance
from support.agent_house import agent_house, done, texts
from support.scripted_provider import ScriptedProvider, call_tool, echo, say

STRANGER = Provenance(origin=Origin.OUTSIDE, authority=Authority.OUTSIDE)

REFUSED = ProviderError(ProviderFault.BAD_REQUEST, "HTTP 400: fake error 400", status=400)
TOO_LONG = ProviderError(ProviderFault.CONTEXT, "HTTP 400: too long", status=400)


async def test_a_refusal_of_the_model_is_an_answer_as_in_the_recording():
    async with agent_house((REFUSED,)) as house:
        outcome = await done(house, "hi")
        assert (outcome.state, outcome.status) == (RunState.ERROR, "ok")
        assert texts(outcome) == ["HTTP 400: fake error 400"]
        assert house.states() == ["agent lifecycle 1", "agent lifecycle 2", "chat final 2"]
        assert "message" not in house.told("chat")[0]
        stored = (await house.sessions.history("main"))[-1]
        assert (stored.content, stored.stop_reason) == ((), "error")
        assert stored.error_message == "HTTP 400: fake error 400"


async def test_text_before_a_refusal_is_kept():
    async with agent_house((TextDelta("half"), REFUSED)) as house:
        assert texts(await done(house, "hi")) == ["half", "HTTP 400: fake error 400"]


async def test_usage_is_that_of_the_last_request_and_the_session_has_the_sum():
    async with agent_house(
        call_tool("current_time"), say("It is late.", usage=Usage(30, 4, 5, 6))
    ) as house:
        outcome = await done(house, "what time is it?")
        assert outcome.result is not None
        usage = outcome.result.meta.agent_meta.usage
        assert (usage.input, usage.output, usage.cache_read, usage.total) == (30, 4, 5, 45)
        entry = await house.sessions.get("main")
        assert entry is not None
        assert (entry.used.input, entry.used.output) == (40, 12)
        assert (entry.model_provider, entry.model, entry.total_tokens) == ("fake", "fake-1", 45)


async def test_a_bug_ends_the_run_and_not_the_lane():
    def broken(request: Any) -> Any:
        raise ZeroDivisionError

    async with agent_house(echo) as house:
        force_setattr(house.models.targets[0], "provider", ScriptedProvider(broken))
        outcome = await done(house, "x")
        assert outcome.error == "the turn failed inside the gateway; the reason is in its log"
        force_setattr(house.models.targets[0], "provider", house.provider)
        assert (await done(house, "x", "b")).state is RunState.DONE
