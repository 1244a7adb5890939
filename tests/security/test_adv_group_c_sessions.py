"""Sessions, chat and agent: one setting, one scope, by whichever door it is reached (group C)."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.channels.commands import ROWS, CommandName, Takes, parse_command
from carapace.errors import Refused
from carapace.ids import RunId
from carapace.protocol.scopes import Scope
from support.methods import FakeCall, MethodHouse, method_house
from support.scripted_provider import say
from support.server import make_caller

KEY = "agent:main:main"
CHANGING = [row for row in ROWS if row.scope is Scope.ADMIN]


def caller(*scopes: str) -> FakeCall:
    return FakeCall(make_caller(scopes=scopes))


def sending(text: str, run_id: str = "r1", **more: Any) -> dict[str, Any]:
    return {"sessionKey": "main", "message": text, "idempotencyKey": run_id, **more}


async def settings_of(house: MethodHouse) -> Any:
    """All that is kept of the session but its times."""
    entry = await house.services.sessions.get(KEY)
    return None if entry is None else (entry.session_id, entry.thinking_level, entry.label)


@pytest.mark.parametrize("row", CHANGING, ids=[row.name for row in CHANGING])
async def test_adv_c10_no_command_changes_settings_for_a_writer(row: Any):
    """Also C08: `/new` and `/reset`. Table-driven: a new command that changes is in here."""
    word = row.choices[0] if row.choices else "fake/fake-1"
    texts = [f"{one} {word}" for one in row.words if row.takes is not Takes.NOTHING]
    async with method_house(say("Hi")) as house:
        await house.call("chat.send", sending("hello", "first"))
        assert await house.services.agent.wait(RunId("first"), 5)
        before = await settings_of(house)
        for text in texts:
            with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
                await house.call("chat.send", sending(text), caller("operator.write"))
        assert texts
        assert await settings_of(house) == before


@pytest.mark.parametrize("text", ["/approve ABCD", "/reject ABCD"])
async def test_adv_c11_a_code_in_chat_send_decides_nothing(text: str):
    async with method_house(say("I cannot do that.")) as house:
        await house.call("chat.send", sending(text), caller("operator.write"))
        assert await house.services.agent.wait(RunId("r1"), 5)
        assert len(house.agent_house.provider.requests) == 1


async def test_adv_c12_a_route_that_is_inherited_lends_no_rights():
    async with method_house(say("Hi")) as house:
        out = {"deliver": True, "channel": "webhook", "to": "c1", "sessionKey": "main"}
        await house.call("agent", {"message": "x", "idempotencyKey": "a1", **out})
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await house.call(
                "chat.send", sending("/think high", deliver=True), caller("operator.write")
            )


@pytest.mark.parametrize("field", ["workspaceDir", "cwd", "extraTools"])
async def test_adv_c09_a_call_names_no_place_to_work_in(field: str):
    async with method_house() as house:
        with pytest.raises(Refused, match="unexpected property"):
            await house.call("agent", {**sending("x"), field: "/"})


@pytest.mark.parametrize("changes", [{"label": "Mine"}, {"spawnedBy": "agent:main:other"}])
async def test_adv_q06_a_run_changes_no_session_that_its_caller_may_not_patch(
    changes: dict[str, str],
):
    async with method_house(say("Hi")) as house:
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await house.call("agent", {**sending("x"), **changes}, caller("operator.write"))
        assert await settings_of(house) is None


@pytest.mark.parametrize(("scope", "kept"), [("operator.write", None), ("operator.admin", "high")])
async def test_adv_q06_a_level_for_one_message_is_no_setting(scope: str, kept: str | None):
    async with method_house(say("Hi")) as house:
        await house.call("agent", {**sending("x"), "thinking": "high"}, caller(scope))
        assert house.agent_house.provider.requests[0].thinking == "high"
        entry = await house.services.sessions.get(KEY)
    assert entry is not None
    assert entry.thinking_level == kept


def test_every_command_that_shows_needs_less_than_what_changes():
    for row in ROWS:
        shown = parse_command(row.words[0])
        assert shown is not None
        expected = Scope.READ if row.shows else row.scope
        assert shown.scope is expected
    assert CommandName.NEW in {row.name for row in CHANGING}
