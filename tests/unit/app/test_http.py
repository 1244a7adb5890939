"""What the HTTP endpoints hear of the house."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from carapace.app.http import Canvas, HouseAnswers, HouseAvatars
from carapace.auth.types import Origin
from carapace.clock import SystemClock
from carapace.config.settings import Settings
from carapace.config.settings.agents import (
    AgentDefaults,
    AgentEntry,
    AgentIdentity,
    AgentsSettings,
)
from carapace.ids import RunId
from support.agent_house import MAIN, agent_house, ask, done
from support.scripted_provider import Hang, echo
from support.server import make_caller

HERE = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="box:1")


async def test_an_answer_is_known_by_its_run_and_is_the_latest_until_the_next():
    async with agent_house(echo) as house:
        answers = HouseAnswers(house.agent, house.database)
        await done(house, "one", "r1")
        assert await answers.session_of(RunId("r1")) == MAIN
        assert await answers.is_latest(MAIN, RunId("r1"))
        await done(house, "two", "r2")
        assert not await answers.is_latest(MAIN, RunId("r1"))
        assert await answers.is_latest(MAIN, RunId("r2"))


async def test_what_is_unknown_or_not_over_is_no_answer():
    async with agent_house((Hang(),)) as house:
        answers = HouseAnswers(house.agent, house.database)
        assert await answers.session_of(RunId("nobody")) is None
        await house.agent.submit(ask("wait", "r1"))
        assert await answers.session_of(RunId("r1")) is None


async def test_a_session_that_is_gone_has_no_latest_answer():
    async with agent_house(echo) as house:
        answers = HouseAnswers(house.agent, house.database)
        assert not await answers.is_latest(MAIN, RunId("r1"))


async def test_avatars_are_those_of_known_agents():
    async with agent_house(echo) as house:
        avatars = HouseAvatars(house.profiles)
        assert avatars.avatar("nobody") is None
        found = avatars.avatar("main")
        assert found == ("A", house.profiles.get(house.profiles.default_id).workspace.root)
        assert avatars.shown() == ("Assistant", "A")


@pytest.mark.parametrize(("avatar", "shown"), [("🐚", "🐚"), ("a/b.png", "A"), ("x" * 9, "A")])
async def test_strangers_are_not_told_where_a_picture_is(avatar, shown):
    entry = AgentEntry(id="main", identity=AgentIdentity(avatar=avatar))
    settings = AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True), list=(entry,))
    async with agent_house(echo, settings=settings) as house:
        assert HouseAvatars(house.profiles).shown() == ("Assistant", shown)


@pytest.mark.parametrize(
    ("canvas", "is_served"),
    [
        ({}, False),
        ({"root": "/x"}, True),
        ({"a2uiRoot": "/x"}, True),
        ({"root": "/x", "enabled": False}, False),
    ],
)
def test_clients_are_told_of_a_canvas_if_there_is_one(canvas, is_served):
    settings = msgspec.convert({"canvasHost": canvas}, Settings)
    url = Canvas(settings, SystemClock()).url(make_caller("c1"), HERE)
    assert (url is not None) is is_served


def test_a_client_that_named_no_host_is_told_nothing():
    settings = msgspec.convert({"canvasHost": {"root": str(Path("/x"))}}, Settings)
    nowhere = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="")
    assert Canvas(settings, SystemClock()).url(make_caller("c1"), nowhere) is None
