"""The line about tokens, and thoughts, for those who asked to see them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from carapace.agent.footer import usage_line
from carapace.agent.pricing import Price
from carapace.agent.providers.ports import Stop, TextDelta, ThinkingDelta, Usage
from carapace.agent.usage import RunUsage
from carapace.protocol.sessions import SessionsPatch
from support.agent_house import agent_house, done, texts
from support.scripted_provider import say


@dataclass
class Target:
    provider_name: str = "fake"
    model_id: str = "fake-1"
    pricing: Price | None = None


def used(price: Price | None = None) -> RunUsage:
    found = RunUsage()
    found.add(Target(pricing=price), Usage(100, 20, cache_read=900))
    return found


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (None, ""),
        ("off", ""),
        ("tokens", "Usage: 1000 in / 20 out"),
        ("on", "Usage: 1000 in / 20 out"),
        ("full", "Usage: 1000 in / 20 out · no price known · session k"),
    ],
)
def test_the_line_is_as_long_as_was_wished(wish: str | None, line: str):
    assert usage_line(wish, used(), "k") == line


def test_a_known_price_is_named():
    price = Price(input=1.0, output=10.0, cache_read=0.1, cache_write=1.0)
    assert "about 0.0004 USD" in usage_line("full", used(price), "k")


def test_where_no_model_was_asked_there_is_no_line():
    assert usage_line("full", RunUsage(), "k") == ""


async def test_an_answer_carries_the_line_but_the_transcript_does_not():
    async with agent_house(say("Hi")) as house:
        await house.sessions.patch(SessionsPatch(key="main", response_usage="tokens"))
        (text,) = texts(await done(house, "hello"))
        assert text == "Hi\n\nUsage: 10 in / 1 out"
        final = house.told("chat")[-1]
        assert final["message"]["content"][0]["text"] == text
        assert (await house.sessions.history("main"))[-1].text == "Hi"


THOUGHTS = (ThinkingDelta("hm"), TextDelta("Hi"), Usage(10, 1), Stop("stop"))


async def test_thoughts_are_a_message_of_their_own_where_that_is_wished():
    async with agent_house(THOUGHTS) as house:
        assert texts(await done(house, "hello")) == ["Hi"]
        await house.sessions.patch(SessionsPatch(key="main", reasoning_level="on"))
        assert texts(await done(house, "again", "r2")) == ["Reasoning:\nhm", "Hi"]
        last = (await house.sessions.history("main"))[-1]
        assert last.content[0] == {"type": "thinking", "thinking": "hm"}
        await done(house, "more", "r3")
        assert "hm" not in str(house.provider.requests[-1].messages)


async def test_silence_stays_silence():
    async with agent_house(say("NO_REPLY")) as house:
        await house.sessions.patch(SessionsPatch(key="main", response_usage="full"))
        assert texts(await done(house, "hello")) == ["NO_REPLY"]
