"""The room as the server and the methods see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carapace.auth.types import Caller
from carapace.config.settings.nodes import NodeBrowserSettings, NodesSettings
from carapace.errors import Refused
from carapace.ids import ConnId
from carapace.nodes.service import MAX_TIMEOUT_MS, Nodes
from carapace.nodes.subscriptions import Subscriptions
from carapace.nodes.types import NOT_CONNECTED, Outcome
from carapace.nodes.voicewake import VoiceWakeWords
from carapace.protocol.approvals import ApprovalSubject
from carapace.protocol.chat import ChatEvent
from carapace.protocol.events import Event
from carapace.sessions.keys import canonical
from carapace.telemetry.metrics import Metrics
from support.auth import LOCAL
from support.clock import FakeClock
from support.database import memory_database
from support.nodes import node_caller
from support.server import audit_in, make_caller

ADMIN = make_caller("c1", device_id="boss")
WRITER = make_caller("c2", scopes=("operator.write",))


class World:
    def __init__(self, nodes: Nodes, told: list[Event], folder: Path) -> None:
        self.nodes, self.told, self.folder = nodes, told, folder
        self.settings = NodesSettings()

    def join(self, node_id: str, **more: Any) -> Caller:
        caller = node_caller(node_id, **more)
        self.nodes.connected(caller, LOCAL)
        self.nodes.welcome(caller)
        return caller

    def asked(self) -> list[Any]:
        events = [one for one in self.told if one.name == "node.invoke.request"]
        return [msgspec.json.decode(msgspec.json.encode(one.payload)) for one in events]

    def audited(self) -> str:
        return "".join(path.read_text() for path in self.folder.glob("*.jsonl"))

    async def done(self, node: Caller, command: str, **more: Any) -> Outcome:
        """A call that the node answers at once."""
        by = more.pop("by", ADMIN)
        async with asyncio.TaskGroup() as group:
            invoke = self.nodes.invoke(by, str(node.device_id), command, **more)
            task = group.create_task(invoke)
            await asyncio.sleep(0)
            self.nodes.answered(node, self.asked()[-1]["id"], Outcome({"done": True}))
        return task.result()


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncGenerator[World]:
    clock, told = FakeClock(), list[Event]()
    audit = audit_in(folder, clock)
    async with memory_database() as database:
        made: list[World] = []
        nodes = Nodes(
            database,
            words=await VoiceWakeWords.open(database, clock=clock, publish=told.append),
            subscriptions=Subscriptions(canonical),
            settings=lambda: made[0].settings,
            publish=told.append,
            clock=clock,
            audit=audit,
            metrics=Metrics("0", with_process=False),
        )
        made.append(World(nodes, told, folder))
        made[0].settings = NodesSettings(**settings)
        yield made[0]
    audit.close()


async def test_a_node_is_told_the_words_that_wake_it_when_it_comes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        (event,) = w.told
        assert (event.name, event.only) == ("voicewake.changed", frozenset({node.conn_id}))
        w.nodes.welcome(ADMIN)
        assert len(w.told) == 1


async def test_an_operator_is_no_node(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.nodes.connected(ADMIN, LOCAL)
        assert (await w.nodes.invoke(ADMIN, "boss", "camera.snap")).failure is NOT_CONNECTED
        w.nodes.disconnected(ADMIN)


async def test_a_node_that_left_is_asked_no_more_and_follows_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        w.nodes.subscriptions.follow(node.conn_id, "main")
        event = Event("chat", ChatEvent("r1", "main", 1, "final"))
        assert w.nodes.followers(event) == {node.conn_id}
        async with asyncio.TaskGroup() as group:
            task = group.create_task(w.nodes.invoke(ADMIN, "n1", "camera.snap"))
            await asyncio.sleep(0)
            w.nodes.disconnected(node)
            w.nodes.disconnected(node)
        failure = task.result().failure
        assert failure is not None
        assert failure.code == "DISCONNECTED"
        assert w.nodes.followers(event) == frozenset()
        assert (await w.nodes.invoke(ADMIN, "n1", "camera.snap")).failure is NOT_CONNECTED


async def test_an_old_connections_end_leaves_the_newer_one_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        old = w.join("n1", conn_id="old")
        new = w.join("n1", conn_id="new")
        w.nodes.disconnected(old)
        assert (await w.done(new, "camera.snap")).payload == {"done": True}


async def test_an_answer_reaches_the_caller_and_a_late_one_nobody(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        assert (await w.done(node, "camera.snap", params={"a": 1})).payload == {"done": True}
        assert w.asked()[0]["paramsJSON"] == '{"a":1}'
        assert not w.nodes.answered(node, w.asked()[0]["id"], Outcome())


async def test_the_wait_has_a_default_and_a_limit(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        await w.done(node, "camera.snap")
        await w.done(node, "camera.snap", timeout_ms=10 * MAX_TIMEOUT_MS)
        assert [one["timeoutMs"] for one in w.asked()] == [30_000, MAX_TIMEOUT_MS]
        assert w.asked()[0]["paramsJSON"] is None


async def test_what_the_policy_refuses_never_reaches_the_node(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.join("n1")
        with pytest.raises(Refused, match="node command not allowed") as caught:
            await w.nodes.invoke(ADMIN, "n1", "system.run", params={"command": ["ls"]})
        reason = "command not allowlisted"
        assert caught.value.details == {"reason": reason, "command": "system.run"}
        assert w.asked() == []
        assert '"node.command_refused"' in w.audited()


async def test_a_policy_that_was_tightened_counts_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        await w.done(node, "camera.snap")
        w.settings = NodesSettings(deny_commands=("camera.snap",))
        with pytest.raises(Refused, match="node command not allowed"):
            await w.nodes.invoke(ADMIN, "n1", "camera.snap")


async def test_programs_are_run_for_administrators_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1", platform="linux", commands=("system.run", "system.which"))
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await w.nodes.invoke(WRITER, "n1", "system.run", params={"command": ["ls"]})
        await w.done(node, "system.which", by=WRITER)
        assert len(w.asked()) == 1


async def test_a_program_is_passed_on_cleaned_and_its_news_will_be_believed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1", platform="linux", commands=("system.run",))
        given = {"command": ["ls"], "approved": True, "runId": "r1"}
        await w.done(node, "system.run", params=given)
        asked = msgspec.json.decode(w.asked()[0]["paramsJSON"])
        assert asked == {"command": ["ls"], "runId": "r1"}
        assert w.nodes.dispatched.take("n1", "r1", "exec.started", 0.0) == "main"


ASKED = ApprovalSubject(
    command="ls",
    cwd="/srv",
    host="node",
    security=None,
    ask=None,
    agent_id="main",
    resolved_path=None,
    session_key=None,
)


async def test_what_a_person_agreed_to_is_told_to_the_node_once(tmp_path: Path) -> None:
    given = {"command": ["ls"], "cwd": "/srv", "agentId": "main", "approved": True}
    async with world(tmp_path) as w:
        node = w.join("n1", platform="linux", commands=("system.run",))
        w.nodes.agreed(ADMIN, ASKED, "allow-once")
        for key in ("k1", "k2"):
            await w.done(node, "system.run", params=given, key=key)
        first, second = (msgspec.json.decode(one["paramsJSON"]) for one in w.asked())
        assert (first["approved"], first["approvalDecision"]) == (True, "allow-once")
        assert "approved" not in second


async def test_another_callers_agreement_is_not_used(tmp_path: Path) -> None:
    given = {"command": ["ls"], "cwd": "/srv", "agentId": "main"}
    async with world(tmp_path) as w:
        node = w.join("n1", platform="linux", commands=("system.run",))
        w.nodes.agreed(WRITER, ASKED, "allow-once")
        await w.done(node, "system.run", params=given)
        await w.done(node, "system.run", params={"command": ["echo", "a b"]})
        assert "approved" not in "".join(one["paramsJSON"] for one in w.asked())


async def test_a_program_asked_for_twice_with_one_key_is_run_once(tmp_path: Path) -> None:
    given = {"command": ["ls"]}
    async with world(tmp_path) as w:
        node = w.join("n1", platform="linux", commands=("system.run",))
        await w.done(node, "system.run", params=given, key="k")
        assert (await w.nodes.invoke(ADMIN, "n1", "system.run", params=given, key="k")).payload
        assert (len(w.asked()), len(w.nodes.dispatched)) == (1, 1)


async def test_callers_with_one_key_do_not_share_an_answer(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = w.join("n1")
        await w.done(node, "camera.snap", key="k")
        await w.done(node, "camera.snap", key="k", by=WRITER)
        assert (await w.nodes.invoke(ADMIN, "n1", "camera.snap", key="k")).payload
        assert len(w.asked()) == 2


@pytest.mark.parametrize(
    ("platform", "is_mobile"), [("iOS 17", True), ("Android 14", True), ("linux", False)]
)
async def test_a_phone_is_mobile(tmp_path: Path, platform: str, is_mobile: bool) -> None:
    async with world(tmp_path) as w:
        assert not w.nodes.has_mobile()
        w.join("n1", platform=platform)
        assert w.nodes.has_mobile() is is_mobile


def browser(w: World, node_id: str) -> None:
    w.join(node_id, platform="linux", commands=("browser.proxy",))


async def test_the_only_browser_is_driven_and_several_need_a_choice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.join("phone")
        assert w.nodes.browser_node() is None
        browser(w, "n1")
        assert w.nodes.browser_node() == "n1"
        browser(w, "n2")
        with pytest.raises(Refused, match=r"gateway\.nodes\.browser\.node"):
            w.nodes.browser_node()


@pytest.mark.parametrize(
    ("mode", "node", "expected"),
    [
        ("off", "n1", None),
        ("manual", None, None),
        ("manual", "n1", "n1"),
        ("auto", "n2", None),
        ("auto", "n1", "n1"),
    ],
)
async def test_the_settings_choose_the_browser(
    tmp_path: Path, mode: Any, node: str | None, expected: str | None
) -> None:
    async with world(tmp_path, browser=NodeBrowserSettings(mode=mode, node=node)) as w:
        browser(w, "n1")
        assert w.nodes.browser_node() == expected


async def test_a_caller_without_claims_is_ignored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        node = replace(node_caller("n1"), claims=None)
        w.nodes.connected(node, LOCAL)
        w.nodes.welcome(node)
        w.nodes.disconnected(node)
        assert w.told == []
        assert w.nodes.followers(Event("health", {})) == frozenset()
        assert node.conn_id == ConnId("conn-n1")
