"""A message for the gateway's own chat is in its session once, and its watchers see it once."""

from __future__ import annotations

import pytest

from carapace.app.own_chat import OwnChat
from carapace.channels.types import Outgoing, Target
from carapace.clock import SystemClock
from carapace.errors import Refused
from support.agent_house import AgentHouse, agent_house


def to(session: str, key: str = "k1", text: str = "Dinner is ready.") -> Outgoing:
    target = Target(channel="webchat", account="default", conversation=session)
    return Outgoing(target=target, idempotency_key=key, text=text)


def own_chat(house: AgentHouse) -> OwnChat:
    return OwnChat(house.database, house.sessions, publish=house.events.append, clock=SystemClock())


async def test_it_is_written_and_shown():
    async with agent_house() as house:
        await house.sessions.ensure("main")
        message_id = await own_chat(house)(to("main"))
        kept = await house.sessions.history("main")
    assert [(one.message_id, one.role, one.text) for one in kept] == [
        (message_id, "assistant", "Dinner is ready.")
    ]
    [told] = house.told("chat")
    assert (told["sessionKey"], told["state"]) == ("main", "final")


async def test_the_same_key_again_changes_and_shows_nothing():
    async with agent_house() as house:
        await house.sessions.ensure("main")
        chat = own_chat(house)
        ids = {await chat(to("main")) for _ in range(3)}
        assert len(ids) == 1
        assert len(await house.sessions.history("main")) == 1
        await chat(to("main", "k2"))
        assert len(await house.sessions.history("main")) == 2
    assert len(house.told("chat")) == 2


async def test_a_session_that_is_not_there_is_refused():
    async with agent_house() as house:
        with pytest.raises(Refused, match="no session"):
            await own_chat(house)(to("agent:main:nowhere"))
    assert house.told("chat") == []
