"""`skills.*` as clients call it."""

from __future__ import annotations

import pytest

from carapace.errors import Failed, Refused
from carapace.methods.skills import METHODS
from carapace.protocol.scopes import Role, Scope
from support.methods import method_house
from support.skills import write_skill


async def test_a_skill_is_reported_switched_off_and_asked_for_its_programs():
    async with method_house() as house:
        workspace = house.services.profiles.get(house.services.profiles.default_id).workspace.root
        write_skill(workspace / "skills", "crab", {"requires": {"bins": ["no-such-crab"]}})
        assert (await house.call("skills.bins"))["bins"] == ["no-such-crab"]
        told = await house.call("skills.update", {"skillKey": "crab", "enabled": False})
        assert told == {"ok": True, "skillKey": "crab", "config": {"enabled": False}}
        status = await house.call("skills.status")
        assert status["workspaceDir"] == str(workspace)
        assert [(one["name"], one["disabled"]) for one in status["skills"]] == [("crab", True)]
        assert (await house.call("skills.bins"))["bins"] == []


async def test_an_installation_of_nothing_known_is_refused():
    async with method_house() as house:
        with pytest.raises(Failed, match="Skill not found: nope"):
            await house.call("skills.install", {"name": "nope", "installId": "x"})


async def test_params_are_checked():
    async with method_house() as house:
        with pytest.raises(Refused, match="'name'; must have required property 'installId'"):
            await house.call("skills.install", {})
        with pytest.raises(Refused, match="timeoutMs"):
            await house.call("skills.install", {"name": "a", "installId": "b", "timeoutMs": 5})


def test_only_nodes_ask_for_programs_and_only_administrators_change_things():
    assert METHODS["skills.bins"].role is Role.NODE
    assert METHODS["skills.status"].scope is Scope.READ
    assert METHODS["skills.install"].scope is Scope.ADMIN
    assert METHODS["skills.update"].scope is Scope.ADMIN
