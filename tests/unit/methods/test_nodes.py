"""`node.*` as clients and nodes ask them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from carapace.auth.types import Caller
from carapace.errors import Failed, Refused
from carapace.methods.nodes import METHODS, failure_of
from carapace.nodes.types import NodeFailure
from carapace.protocol.chat import ChatEvent
from carapace.protocol.events import Event
from carapace.protocol.scopes import Role, Scope
from support.auth import LOCAL
from support.methods import FakeCall, MethodHouse, method_house
from support.nodes import node_caller
from support.server import make_caller


def joined(house: MethodHouse, node_id: str = "n1", **more: Any) -> FakeCall:
    """A node that is connected, and speaks."""
    caller: Caller = node_caller(node_id, **more)
    house.services.nodes.connected(caller, LOCAL)
    return FakeCall(caller)


def asked(house: MethodHouse) -> Any:
    return house.agent_house.told("node.invoke.request")[-1]


async def invoked(house: MethodHouse, node: FakeCall, answer: dict[str, Any]) -> Any:
    """`node.invoke` of camera.snap, answered so by the node."""
    async with asyncio.TaskGroup() as group:
        params = {"nodeId": "n1", "command": "camera.snap", "idempotencyKey": "k"}
        task = group.create_task(_outcome(house, params))
        await asyncio.sleep(0)
        result = {"id": asked(house)["id"], "nodeId": "n1", **answer}
        assert await house.call("node.invoke.result", result, node) == {"ok": True}
    return task.result()


async def _outcome(house: MethodHouse, params: Any) -> Any:
    try:
        return await house.call("node.invoke", params)
    except Failed as failed:
        return failed


def test_the_table_of_scopes_is_the_protocols() -> None:
    nodes_own = {name for name, row in METHODS.items() if row.role is Role.NODE}
    assert nodes_own == {"node.invoke.result", "node.event"}
    scopes = {name: row.scope for name, row in METHODS.items() if name not in nodes_own}
    pairing = {name for name in scopes if name.startswith("node.pair.")} | {"node.rename"}
    assert {name for name, scope in scopes.items() if scope is Scope.PAIRING} == pairing
    assert (scopes["node.list"], scopes["node.describe"]) == (Scope.READ, Scope.READ)
    assert scopes["node.invoke"] is Scope.WRITE


async def test_the_older_list_from_the_request_to_the_check() -> None:
    async with method_house() as house:
        asked_for = {"nodeId": "n1", "displayName": "One", "commands": ["camera.snap"]}
        request = (await house.call("node.pair.request", asked_for))["request"]
        assert (await house.call("node.pair.list"))["pending"] == [request]
        answer = await house.call("node.pair.approve", {"requestId": request["requestId"]})
        token = answer["node"].pop("token")
        assert (await house.call("node.pair.list"))["paired"] == [answer["node"]]
        verified = await house.call("node.pair.verify", {"nodeId": "n1", "token": token})
        assert verified == {"ok": True, "node": {**answer["node"], "token": token}}
        renamed = await house.call("node.rename", {"nodeId": "n1", "displayName": "Two"})
        assert renamed == {"nodeId": "n1", "displayName": "Two"}
        again = (await house.call("node.pair.request", {"nodeId": "n2"}))["request"]
        rejected = await house.call("node.pair.reject", {"requestId": again["requestId"]})
        assert rejected == {"requestId": again["requestId"], "nodeId": "n2"}


async def test_a_connected_node_is_listed_and_described() -> None:
    async with method_house() as house:
        joined(house, caps=("camera",), permissions={"camera": True})
        listed = await house.call("node.list")
        row = listed["nodes"][0]
        assert (row["nodeId"], row["connected"], row["permissions"]) == (
            "n1",
            True,
            {"camera": True},
        )
        described = await house.call("node.describe", {"nodeId": "n1"})
        assert described.pop("ts") == listed["ts"]
        assert described == row


async def test_the_nodes_text_is_the_answer_decoded_and_as_it_came() -> None:
    async with method_house() as house:
        node = joined(house)
        answer = await invoked(house, node, {"ok": True, "payloadJSON": '{"done":true}'})
        assert answer == {
            "ok": True,
            "nodeId": "n1",
            "command": "camera.snap",
            "payload": {"done": True},
            "payloadJSON": '{"done":true}',
        }


@pytest.mark.parametrize(
    ("given", "payload"),
    [
        ({"payload": {"a": 1}}, {"a": 1}),
        ({"payload": [1], "payloadJSON": None}, [1]),
        ({"payloadJSON": {"a": 1}}, {"a": 1}),
        ({"payloadJSON": "not json"}, {"payloadJSON": "not json"}),
        ({"payloadJSON": " "}, " "),
        ({"payloadJSON": "[" * 20_000}, {"payloadJSON": "[" * 20_000}),
        ({"error": None}, None),
    ],
)
async def test_every_form_of_a_result_that_apps_send_is_taken(
    given: dict[str, Any], payload: Any
) -> None:
    async with method_house() as house:
        answer = await invoked(house, joined(house), {"ok": True, **given})
        assert answer["payload"] == payload


@pytest.mark.parametrize(
    ("error", "message", "told"),
    [
        (
            {"code": "CAMERA_DENIED", "message": "no"},
            "no",
            {"code": "CAMERA_DENIED", "message": "no"},
        ),
        ({"code": "X"}, "node invoke failed", {"code": "X"}),
        (None, "node invoke failed", {}),
    ],
)
async def test_a_nodes_failure_is_the_callers(error: Any, message: str, told: Any) -> None:
    async with method_house() as house:
        failed = await invoked(house, joined(house), {"ok": False, "error": error})
        assert isinstance(failed, Failed)
        assert (failed.code, failed.message) == ("UNAVAILABLE", message)
        assert failed.details == {"nodeError": told}


@pytest.mark.parametrize(
    ("decision", "told"), [("allow-once", {"approved": True}), ("deny", {}), (None, {})]
)
async def test_what_a_person_answered_about_a_program_is_the_gateways_to_tell(
    decision: str | None, told: dict[str, Any]
) -> None:
    me = FakeCall(make_caller(device_id="boss"))
    asked_about = {"command": "ls", "host": "node", "agentId": "main", "timeoutMs": 20}
    async with method_house() as house:
        joined(house, platform="linux", commands=("system.run",))
        async with asyncio.TaskGroup() as group:
            group.create_task(house.call("exec.approval.request", {**asked_about, "id": "q"}, me))
            await asyncio.sleep(0)
            if decision is not None:
                resolved = {"id": "q", "decision": decision}
                await house.call("exec.approval.resolve", resolved)
        run = {"command": ["ls"], "agentId": "main", "approved": True}
        params = {"nodeId": "n1", "command": "system.run", "params": run, "timeoutMs": 1}
        with pytest.raises(Failed, match="timed out"):
            await house.call("node.invoke", {**params, "idempotencyKey": "k"}, me)
        passed_on = json.loads(asked(house)["paramsJSON"])
        assert {name: passed_on[name] for name in ("approved",) if name in passed_on} == told


async def test_a_node_that_is_not_there_cannot_be_asked() -> None:
    async with method_house() as house:
        params = {"nodeId": "n1", "command": "camera.snap", "idempotencyKey": "k"}
        with pytest.raises(Failed, match="node not connected") as caught:
            await house.call("node.invoke", params)
        assert caught.value.details == {"code": "NOT_CONNECTED"}


async def test_a_late_answer_is_ignored() -> None:
    async with method_house() as house:
        late = {"id": "late", "nodeId": "n1", "ok": True}
        answer = await house.call("node.invoke.result", late, joined(house))
        assert answer == {"ok": True, "ignored": True}


async def test_a_node_speaks_for_itself_alone() -> None:
    async with method_house() as house:
        other = {"id": "i", "nodeId": "n2", "ok": True}
        for call in (joined(house), FakeCall(make_caller(role=Role.NODE, scopes=()))):
            with pytest.raises(Refused, match="nodeId mismatch"):
                await house.call("node.invoke.result", other, call)


@pytest.mark.parametrize(
    "told",
    [
        {"payloadJSON": '{"sessionKey":"main"}'},
        {"payload": {"sessionKey": "main"}},
        {"payload": {"sessionKey": "main"}, "payloadJSON": None},
    ],
)
async def test_an_event_may_carry_its_payload_as_text_or_as_a_value(told: dict[str, Any]) -> None:
    async with method_house() as house:
        event = {"event": "chat.subscribe", **told}
        node = joined(house)
        assert await house.call("node.event", event, node) == {"ok": True}
        said = Event("chat", ChatEvent("r1", "main", 1, "final"))
        assert house.services.nodes.followers(said) == {node.conn_id}


async def test_an_event_nobody_knows_is_taken_and_ignored() -> None:
    async with method_house() as house:
        node = joined(house)
        for event in (
            {"event": "something.else"},
            {"event": "voice.transcript", "payloadJSON": "x"},
        ):
            assert await house.call("node.event", event, node) == {"ok": True}
        assert house.agent_house.events == []


def test_a_failure_without_words_has_ours() -> None:
    failed = failure_of(NodeFailure(None, None))
    assert (failed.message, failed.details) == ("node invoke failed", {"nodeError": {}})
