from __future__ import annotations

import pytest

from carapace.channels.access.pairing_command import answer
from carapace.channels.commands import ChatCommand, CommandName
from carapace.channels.policy import Ask
from carapace.provenance import Authority, Origin, Provenance
from support.chat_people import house, said

OWNER = Provenance(
    origin=Origin.CHANNEL, authority=Authority.OWNER, channel="telegram", sender_id="7"
)
GUEST = OWNER.shrunk(Authority.GUEST)


def typed(rest: str, name: CommandName = CommandName.APPROVE) -> ChatCommand:
    return ChatCommand(name=name, rest=rest)


@pytest.mark.parametrize("form", ["{}", "webhook {}", "WEBHOOK  {}"])
async def test_the_owner_lets_somebody_in_from_a_chat(form: str):
    async with house() as home:
        reply = await home.ask(said())
        done = await answer(home.access, typed(form.format(reply.code)), OWNER)
        assert "alice" in done.text
        assert done.approved is not None
        assert done.approved.sender.approved_by == "telegram:7"
        assert home.access.judge(said()) != Ask()


async def test_the_owner_turns_somebody_away_from_a_chat():
    async with house() as home:
        reply = await home.ask(said())
        done = await answer(home.access, typed(reply.code, CommandName.REJECT), OWNER)
        assert "alice" in done.text
        assert done.approved is None
        assert await home.access.pending() == []


async def test_others_are_refused_by_the_same_check():
    async with house() as home:
        reply = await home.ask(said())
        for name in (CommandName.APPROVE, CommandName.REJECT):
            done = await answer(home.access, typed(reply.code, name), GUEST)
            assert "Only the owner" in done.text
            assert done.approved is None
        assert len(await home.access.pending()) == 1


@pytest.mark.parametrize("rest", ["", "a b c"])
async def test_a_command_without_a_code_is_explained(rest: str):
    async with house() as home:
        done = await answer(home.access, typed(rest), OWNER)
        assert "/approve CODE" in done.text


async def test_a_wrong_code_is_answered():
    async with house() as home:
        done = await answer(home.access, typed("ZZZZZZZZ"), OWNER)
        assert "Nobody waits" in done.text


async def test_another_command_decides_nothing():
    async with house() as home:
        reply = await home.ask(said())
        await answer(home.access, typed(reply.code, CommandName.STATUS), OWNER)
        assert len(await home.access.pending()) == 1
