"""The native apps as nodes, and their windows for nodes and devices: all they decode decodes.

Their side is replayed as in `test_native_contract`: connect params, binary frames, decoders as
strict as theirs.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from support.auth import Identity
from support.gateway import TOKEN, Started, gateway_with_model
from support.native_apps import (
    ANDROID,
    ANDROID_NODE,
    IOS,
    MACOS,
    MACOS_NODE,
    App,
    Link,
    app_link,
    hello_of,
)
from support.native_decoders import NODE_RESULTS

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NODE_APPS = [MACOS_NODE, IOS, ANDROID_NODE]
FIRST = {MACOS_NODE.name: "system.notify", IOS.name: "camera.snap", ANDROID_NODE.name: "sms.send"}
"""A command that each of them offers and its platform is allowed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Started]:
    home = tmp_path_factory.mktemp("native-nodes")
    async with gateway_with_model(home) as started:
        yield started


async def joined(link: Link, app: App, identity: Identity) -> None:
    hello_of(await link.connect(app, identity, TOKEN))


@pytest.mark.parametrize("app", NODE_APPS, ids=lambda app: app.name)
async def test_each_app_is_a_node_that_is_listed_invoked_and_answers(
    gateway: Started, app: App
) -> None:
    phone = Identity()
    async with app_link(gateway.url) as mac, app_link(gateway.url) as node:
        await joined(mac, MACOS, Identity())
        await joined(node, app, phone)
        assert (await node.until("voicewake.changed")).triggers
        (row,) = [one for one in (await mac.call("node.list")).nodes if one.node_id == phone.id]
        assert row.connected
        assert row.commands == sorted(row.commands)
        assert FIRST[app.name] in row.commands
        asked = {"nodeId": phone.id, "command": FIRST[app.name], "idempotencyKey": key()}
        async with asyncio.TaskGroup() as group:
            invoke = group.create_task(mac.request("node.invoke", {**asked, "params": {"a": 1}}))
            request = await node.until("node.invoke.request")
            assert request.params_json == '{"a":1}'
            # The apps send null where there is no text and no error.
            result = {"id": request.id, "nodeId": request.node_id, "ok": True, "error": None}
            taken = await node.call("node.invoke.result", {**result, "payloadJSON": '{"b":2}'})
            assert (taken.ok, taken.ignored) == (True, None)
        answer = json.loads(bytes(invoke.result().payload))
        assert answer["payload"] == {"b": 2}


@pytest.mark.parametrize("app", NODE_APPS, ids=lambda app: app.name)
async def test_each_app_follows_its_chat_and_speaks(gateway: Started, app: App) -> None:
    async with app_link(gateway.url) as node:
        await joined(node, app, Identity())
        session = f"spoken-{app.name.split()[0]}"
        for event, payload in (
            ("chat.subscribe", {"sessionKey": session}),
            ("voice.transcript", {"text": "hello", "sessionKey": session}),
        ):
            told = {"event": event, "payloadJSON": json.dumps(payload)}
            assert (await node.call("node.event", told)).ok
        final = await node.until("chat", state="final")
        assert final.session_key == session
        nothing = {"event": "something.new", "payloadJSON": None}
        assert (await node.call("node.event", nothing)).ok
        numbered = [frame for frame in node.heard if frame.seq is not None]
        assert numbered == []


@pytest.mark.parametrize("app", [MACOS, ANDROID], ids=lambda app: app.name)
async def test_the_windows_for_nodes_and_devices_decode(gateway: Started, app: App) -> None:
    async with app_link(gateway.url) as window:
        await joined(window, app, Identity())
        got = await ask_everything(window)
        assert set(got) | {"node.event", "node.invoke.result"} == set(NODE_RESULTS)
        assert got["voicewake.set"].triggers == ["computer"]
        assert any(device.tokens for device in got["device.pair.list"].paired)
        resolved = await window.until("node.pair.resolved", decision="approved")
        assert resolved.node_id.startswith("old-")
        assert (await window.until("talk.mode")).phase == "listening"


async def ask_everything(window: Link) -> dict[str, Any]:
    """Each method of those windows, with the params the apps send."""
    got: dict[str, Any] = {}
    for decision in ("approve", "reject"):
        asked = {"nodeId": f"old-{key()}", "displayName": "Old", "platform": "macOS 26.1.0"}
        assert (await window.request("node.pair.request", asked)).ok
        request = await window.until("node.pair.requested", node_id=asked["nodeId"])
        got["node.pair.list"] = await window.call("node.pair.list")
        params = {"requestId": request.request_id}
        got[f"node.pair.{decision}"] = await window.call(f"node.pair.{decision}", params)
    for decision in ("approve", "reject"):
        request_id = await knocked(window)
        got["device.pair.list"] = await window.call("device.pair.list")
        params = {"requestId": request_id}
        got[f"device.pair.{decision}"] = await window.call(f"device.pair.{decision}", params)
    for method, given in (
        ("node.list", None),
        ("voicewake.get", None),
        ("voicewake.set", {"triggers": [" computer "]}),
        ("talk.mode", {"enabled": True, "phase": "listening"}),
    ):
        got[method] = await window.call(method, given)
    return got


async def knocked(window: Link) -> str:
    """A phone's wider wish, which waits; the id of its request."""
    phone = Identity()
    async with app_link(window.url) as link:
        await joined(link, IOS, phone)
    more = App(
        IOS.name, IOS.client_id, IOS.mode, IOS.role, (), IOS.client, IOS.caps, ("canvas.new",)
    )
    async with app_link(window.url) as link:
        await joined(link, more, phone)
    request = await window.until("device.pair.requested", device_id=phone.id)
    request_id: str = request.request_id
    return request_id


def key() -> str:
    return str(uuid.uuid4())
