"""Methods that a node answers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from carapace.errors import Failed, GatewayError, Refused
from carapace.methods.node_forwards import METHODS
from carapace.protocol.scopes import Scope
from support.auth import LOCAL
from support.methods import FakeCall, MethodHouse, method_house
from support.nodes import node_caller

COMMANDS = ("browser.proxy", "system.execApprovals.get", "system.execApprovals.set")


async def forwarded(house: MethodHouse, method: str, params: Any, answer: Any) -> tuple[Any, Any]:
    """The answer of a method, or its error, and what the node was asked; it answers `answer`."""
    caller = node_caller("n1", platform="linux", commands=COMMANDS)
    house.services.nodes.connected(caller, LOCAL)

    async def asking() -> Any:
        try:
            return await house.call(method, params)
        except GatewayError as error:
            return error

    async with asyncio.TaskGroup() as group:
        task = group.create_task(asking())
        await asyncio.sleep(0)
        request = house.agent_house.told("node.invoke.request")[-1]
        result = {"id": request["id"], "nodeId": "n1", **answer}
        await house.call("node.invoke.result", result, FakeCall(caller))
    return task.result(), (request["command"], msgspec.json.decode(request["paramsJSON"]))


def test_what_a_node_lets_be_run_is_for_administrators_and_its_browser_for_writers() -> None:
    scopes = {name: row.scope for name, row in METHODS.items()}
    assert scopes == {
        "exec.approvals.node.get": Scope.ADMIN,
        "exec.approvals.node.set": Scope.ADMIN,
        "browser.request": Scope.WRITE,
    }


@pytest.mark.parametrize(
    ("method", "params", "passed_on"),
    [
        ("exec.approvals.node.get", {}, ("system.execApprovals.get", {})),
        (
            "exec.approvals.node.set",
            {"file": {"version": 1}},
            ("system.execApprovals.set", {"file": {"version": 1}}),
        ),
        (
            "exec.approvals.node.set",
            {"file": {"version": 1}, "baseHash": "h"},
            ("system.execApprovals.set", {"file": {"version": 1}, "baseHash": "h"}),
        ),
    ],
)
async def test_a_nodes_approvals_are_the_nodes_answer(
    method: str, params: dict[str, Any], passed_on: Any
) -> None:
    snapshot = {"path": "/x", "exists": True, "hash": "h", "file": {"version": 1}}
    async with method_house() as house:
        given = {"ok": True, "payloadJSON": msgspec.json.encode(snapshot).decode()}
        found = await forwarded(house, method, {"nodeId": "n1", **params}, given)
        assert found == (snapshot, passed_on)


async def test_a_node_that_is_not_there_is_told_in_the_recorded_words() -> None:
    async with method_house() as house:
        for method, params in (
            ("exec.approvals.node.get", {"nodeId": "nope"}),
            ("exec.approvals.node.set", {"nodeId": "nope", "file": {"version": 1}}),
        ):
            with pytest.raises(Failed, match=r"^node not connected$") as caught:
                await house.call(method, params)
            told = {"code": "NOT_CONNECTED", "message": "node not connected"}
            assert caught.value.details == {"nodeError": told}


async def test_a_browsers_answer_is_the_nodes_result() -> None:
    async with method_house() as house:
        params = {"method": "get", "path": "/tabs", "query": {"a": "b"}, "timeoutMs": 900}
        given = {"ok": True, "payload": {"result": {"tabs": []}}}
        answer, (command, passed_on) = await forwarded(house, "browser.request", params, given)
        assert (answer, command) == ({"tabs": []}, "browser.proxy")
        assert passed_on == {**params, "method": "GET"}


@pytest.mark.parametrize("payload", [None, {}, [1], "x"])
async def test_an_answer_without_a_result_is_a_failure(payload: Any) -> None:
    async with method_house() as house:
        params = {"method": "POST", "path": "/", "body": {"x": 1}}
        answer, _ = await forwarded(
            house, "browser.request", params, {"ok": True, "payload": payload}
        )
        assert isinstance(answer, Failed)
        assert answer.message == "browser proxy failed"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "method and path are required"),
        ({"method": "GET"}, "method and path are required"),
        ({"method": "PATCH", "path": "/"}, "method must be GET, POST, or DELETE"),
    ],
)
async def test_a_request_needs_a_method_and_a_path(params: Any, text: str) -> None:
    async with method_house() as house:
        with pytest.raises(Refused, match=text):
            await house.call("browser.request", params)


async def test_without_a_browser_there_is_none_to_drive() -> None:
    async with method_house() as house:
        with pytest.raises(Failed, match="browser control is disabled"):
            await house.call("browser.request", {"method": "GET", "path": "/"})
