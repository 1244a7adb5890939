"""`exec.approval.*` and `exec.approvals.*` as clients call them."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Refused
from carapace.methods import approvals
from carapace.protocol.scopes import Scope
from carapace.tasks import Tasks
from support.methods import MethodHouse, method_house

FILE = {"version": 1, "agents": {"main": {"allowlist": [{"pattern": "/bin/ls"}]}}}


async def asked(house: MethodHouse, params: dict[str, Any]) -> tuple[Any, Tasks]:
    """A question that is open, and the owner of its task."""
    tasks = Tasks("asker", lambda _name, _error: None)
    task = tasks.start(house.call("exec.approval.request", params), name="ask")
    while not house.agent_house.told("exec.approval.requested"):
        await house.clock.advance(0)
    return task, tasks


async def test_a_command_waits_until_somebody_decides():
    async with method_house() as house:
        task, _ = await asked(house, {"command": "echo hi", "id": "a", "cwd": "/srv"})
        params = {"id": "a", "decision": "allow-once"}
        assert await house.call("exec.approval.resolve", params) == {"ok": True}
        answer = await task
        (told,) = house.agent_house.told("exec.approval.requested")
        (resolved,) = house.agent_house.told("exec.approval.resolved")
    assert (answer["id"], answer["decision"]) == ("a", "allow-once")
    assert told["request"] == {
        "command": "echo hi",
        "cwd": "/srv",
        "host": None,
        "security": None,
        "ask": None,
        "agentId": None,
        "resolvedPath": None,
        "sessionKey": None,
    }
    assert resolved["resolvedBy"]


async def test_nobody_decides_in_time():
    async with method_house() as house:
        answer = await house.call("exec.approval.request", {"command": "x", "timeoutMs": 5})
    assert answer["decision"] is None


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"id": "nope", "decision": "deny"}, "unknown approval id"),
        ({"id": "nope", "decision": "maybe"}, "invalid decision"),
    ],
)
async def test_a_decision_about_nothing_or_of_no_kind_is_refused(
    params: dict[str, Any], words: str
):
    async with method_house() as house:
        with pytest.raises(Refused, match=words):
            await house.call("exec.approval.resolve", params)


async def test_the_document_is_read_changed_and_read_again():
    async with method_house() as house:
        before = await house.call("exec.approvals.get")
        params = {"file": FILE, "baseHash": before["hash"]}
        after = await house.call("exec.approvals.set", params)
        assert await house.call("exec.approvals.get") == after
    assert before["file"]["agents"] == {}
    assert after["file"]["agents"]["main"]["allowlist"][0]["pattern"] == "/bin/ls"
    assert before["exists"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"file": {"version": 2}}, "at /file/version: must be equal to constant"),
        ({"file": {"version": 1}}, "exec approvals base hash required"),
        ({}, "must have required property 'file'"),
    ],
)
async def test_a_document_that_does_not_fit_is_refused(params: dict[str, Any], words: str):
    async with method_house() as house:
        with pytest.raises(Refused, match=words):
            await house.call("exec.approvals.set", params)


def test_deciding_and_setting_rules_are_different_rights():
    scopes = {name: row.scope for name, row in approvals.METHODS.items()}
    assert scopes == {
        "exec.approvals.get": Scope.ADMIN,
        "exec.approvals.set": Scope.ADMIN,
        "exec.approval.request": Scope.APPROVALS,
        "exec.approval.resolve": Scope.APPROVALS,
    }
