"""Recorded exchanges asked again of a small server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from carapace.protocol.events import Event
from carapace.protocol.nodes import NodeInvoke
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Role, Scope
from carapace_tools.golden import replay
from carapace_tools.golden.matching import Rule
from carapace_tools.golden.replay import Outcome, Replay
from carapace_tools.golden.scenario import NodeScript, Preparation, Scenario, Step
from carapace_tools.golden.traces import Case
from support.server import TOKEN, running_server, sample_methods

HEALTH = {"ok": True, "ts": 1, "durationMs": 0, "sessions": {"path": "x"}}


def request(method: str, request_id: str = "a", **params: Any) -> dict[str, Any]:
    return {"type": "req", "id": request_id, "method": method, "params": params}


def answer(payload: Any, request_id: str = "a") -> dict[str, Any]:
    return {"type": "res", "id": request_id, "ok": True, "payload": payload}


CASES: list[dict[str, Any]] = [
    {"case": "ok", "request": request("health"), "responses": [answer(HEALTH)]},
    {"case": "wrong", "request": request("health"), "responses": [answer({"ok": False})]},
    {
        "case": "twice",
        "request": request("agent"),
        "responses": [answer({"status": "accepted"}), answer({"status": "ok"})],
    },
    {
        "case": "no frame",
        "request": '{"type":"event"}',
        "responses": [],
        "close": {"code": 1008, "reason": "invalid request frame", "afterSeconds": 0},
    },
]


def methods() -> Any:
    made = sample_methods()

    @made.method("last-heartbeat", scope=Scope.READ)
    def last_heartbeat(ctx: object) -> None:
        """What a replay settles with."""

    return made


async def outcomes(folder: Path, *steps: Step) -> dict[str, Outcome]:
    (folder / "t.json").write_text(json.dumps({"name": "t", "method": "m", "cases": CASES}))
    heard: list[Outcome] = []

    class Devices(Replay):
        """The small server gives no device token, which only some steps need."""

    async with running_server(folder, methods=methods()) as running:
        real = Devices(running.url, TOKEN, folder, Scenario(list(steps)), heard.append)
        made = await real.run()
    assert made == heard
    return {outcome.case: outcome for outcome in made}


@pytest.fixture(autouse=True)
def device_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in whose hello has a device token, as the real gateway's has."""
    sign_in = replay.Connection.sign_in

    async def with_token(self: Any, token: str, identity: Any) -> dict[str, Any]:
        return {"auth": {"deviceToken": "d"}, **await sign_in(self, token, identity)}

    monkeypatch.setattr(replay.Connection, "sign_in", with_token)


async def test_what_is_equal_matches_and_what_is_not_differs(tmp_path: Path):
    found = await outcomes(tmp_path, Step("t", "ok"), Step("t", "wrong"), Step("t", "twice"))
    assert found["t: ok"].comparison.is_match
    assert [d.path for d in found["t: wrong"].comparison.differences] == [
        "$.responses.0.payload.ok"
    ]
    assert found["t: twice"].comparison.is_match


async def test_a_fresh_and_a_raw_connection_are_possible(tmp_path: Path):
    found = await outcomes(tmp_path, Step("t", "ok", on="fresh"), Step("t", "no frame", on="raw"))
    assert found["t: ok"].comparison.is_match
    differences = found["t: no frame"].comparison.differences
    assert [d.path for d in differences] == ["$.responses.length"]  # the challenge is heard too


async def test_a_step_that_cannot_be_asked_is_a_difference_not_the_end(tmp_path: Path):
    preparing = Step("t", "ok", before=[replay.Preparation("unknown.method")])
    found = await outcomes(tmp_path, preparing)
    assert not found["t: ok"].comparison.is_match


async def test_something_can_be_asked_before_the_answer_and_without_waiting_for_it(
    tmp_path: Path,
):
    sent = Preparation("no such method", until="sent")
    refused = Preparation("no such method")
    found = await outcomes(tmp_path, Step("t", "ok", before=[sent], meanwhile=[sent]))
    assert found["t: ok"].comparison.is_match
    found = await outcomes(tmp_path, Step("t", "ok", meanwhile=[refused]))
    assert not found["t: ok"].comparison.is_match


async def test_http_traces_are_asked_over_http(tmp_path: Path):
    (tmp_path / "http").mkdir()
    asked = {"method": "GET", "path": "/nothing", "headers": {}, "body": ""}
    case = {"case": "c", "request": asked, "responses": [{"status": 404, "headers": {}}]}
    (tmp_path / "http" / "x.json").write_text(
        json.dumps({"name": "x", "method": "x", "cases": [case]})
    )
    found = await outcomes(tmp_path, Step("http/x", "c"))
    assert found["http/x: c"].comparison.is_match


def test_a_rewrite_changes_one_value_and_may_repeat_a_text():
    step = Step("t", "c", rewrite={"params.message": "@repeat:ab:3", "id": "z"}, why="size")
    before = request("m", message="x")
    assert replay._rewritten(before, step) == request("m", "z", message="ababab")
    assert before == request("m", message="x")


def test_of_a_stream_only_this_runs_events_and_the_first_delta_count():
    def frame(name: str, **payload: Any) -> dict[str, Any]:
        return {"event": name, "payload": payload}

    frames = [
        frame("tick", ts=1),
        frame("chat", runId="r", state="delta", text="a"),
        frame("chat", runId="r", state="delta", text="ab"),
        frame("chat", runId="other", state="final"),
        frame("chat", runId="r", state="final"),
    ]
    assert [one["payload"].get("state") for one in replay._stream(frames, "r")] == [
        "delta",
        "final",
    ]
    case = Case("c", None, events=frames)
    assert replay._run_id(case) == "r"
    injected = Case("c", None, events=[frame("chat", runId="inject-1", state="final")])
    assert replay._run_id(injected) is None
    assert replay._run_id(Case("c", None)) is None


@pytest.mark.parametrize(
    ("tamper", "field"), [("id", "id"), ("signature", "signature"), ("nonce", "nonce")]
)
def test_a_tampered_proof_differs_in_that_field(tamper: Any, field: str):
    params = connect = {"client": {"id": "cli", "mode": "cli"}, "auth": {"token": "t"}}
    good = replay._proof(params, replay.DeviceRecipe(), "n")
    bad = replay._proof(connect, replay.DeviceRecipe(tamper=tamper), "n")
    assert good[field] != bad[field]


def test_an_old_proof_is_outside_the_window():
    params = {"client": {"id": "cli", "mode": "cli"}}
    good = replay._proof(params, replay.DeviceRecipe(), "n")
    old = replay._proof(params, replay.DeviceRecipe(tamper="old"), "n")
    assert good["signedAt"] - old["signedAt"] >= 10 * 60 * 1000


NODE_REQUEST = {"event": "node.invoke.request", "payload": {"id": "x", "idempotencyKey": "k"}}
TALK = {"event": "talk.mode", "payload": {"enabled": True}}


def chat(state: str) -> dict[str, Any]:
    return {"event": "chat", "payload": {"runId": "r", "state": state}}


def test_news_that_follows_from_a_request_is_compared_with_its_answer() -> None:
    case = Case("c", request("talk.mode"), events=[TALK])
    tick = {"event": "tick", "payload": {}}
    assert replay._told([tick, TALK, chat("final")], case) == [chat("final"), TALK]


def test_of_a_nodes_words_the_gateway_names_the_run() -> None:
    assert not replay._names_its_run(Case("c", request("node.event")))
    assert replay._names_its_run(Case("c", request("chat.send")))
    assert replay._ended([chat("delta"), chat("final")])
    assert not replay._ended([chat("delta"), TALK])


def test_only_an_invoke_is_answered_by_a_node() -> None:
    assert replay._invoke_key(request("node.invoke", idempotencyKey="k")) == "k"
    assert replay._invoke_key(request("health")) == ""
    assert replay._invoke_key("text") == ""


def test_events_are_found_again_by_what_they_are_about() -> None:
    other = {"event": "node.invoke.request", "payload": {"id": "y", "idempotencyKey": "other"}}
    assert replay._is_like(NODE_REQUEST, NODE_REQUEST)
    assert not replay._is_like(other, NODE_REQUEST)
    assert not replay._is_like(TALK, NODE_REQUEST)


def test_what_is_told_by_the_clock_has_no_place_in_an_order() -> None:
    frames = [{"event": "tick", "payload": {}, "seq": 1}, {**TALK, "seq": 2}]
    assert replay._unprompted(frames) == [TALK]


NODE_CASES: list[dict[str, Any]] = [
    {"case": "heard", "request": None, "events": [{"event": "connect.challenge", "payload": {}}]},
    {
        "case": "told",
        "request": request("node.event", "n1"),
        "responses": [answer({"ok": True}, "n1")],
    },
]


async def test_a_step_can_be_asked_of_a_node_and_a_value_bound(tmp_path: Path) -> None:
    steps = [
        Step("t", "told", on="node", joins="phone"),
        Step("t", "told", on="node", binds={"responses.0.id": "n1", "no.where": "x"}),
        Step("t", "told", on="node", leaves="phone"),
    ]
    script = NodeScript(
        name="phone",
        identity="phone",
        client={"id": "node-host", "mode": "node", "version": "1", "platform": "ios"},
    )
    (tmp_path / "t.json").write_text(json.dumps({"name": "t", "method": "m", "cases": NODE_CASES}))
    async with running_server(tmp_path, methods=methods()) as running:
        scenario = Scenario(steps, node=[script], devices={"then": "phone"})
        first, second, third = await Replay(running.url, TOKEN, tmp_path, scenario).run()
    assert first.comparison.is_match
    assert second.comparison.extra == ["$.unbound"]
    assert not third.comparison.is_match


async def test_what_a_connection_heard_is_compared_without_asking(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"name": "t", "method": "m", "cases": NODE_CASES}))
    rule = Rule(path="*.nonce", how="type", reason="random")
    async with running_server(tmp_path, methods=methods()) as running:
        scenario = Scenario([Step("t", "heard")], [rule])
        (heard,) = await Replay(running.url, TOKEN, tmp_path, scenario).run()
    assert heard.comparison.is_match


async def test_a_device_that_is_let_in_at_once_did_not_knock(tmp_path: Path) -> None:
    """The small server pairs nobody, so there is no request to bind."""
    knocking = Step("t", "ok", before=[replay.Preparation(knock="b", request_id="then")])
    found = await outcomes(tmp_path, knocking)
    assert found["t: ok"].comparison.is_match


def test_a_run_is_compared_as_two_connections_saw_it() -> None:
    delta = {"event": "chat", "payload": {"runId": "r", "state": "delta"}, "type": "event"}
    other = {"event": "chat", "payload": {"runId": "x", "state": "delta"}, "type": "event"}
    accepted = answer({"status": "accepted"})
    found = replay._seen_by_two([accepted, delta, answer({}, "b")], [other, delta], "r", "a")
    plain = {"event": "chat", "payload": delta["payload"]}
    assert found == {"answers": [{"status": "accepted"}], "own": [plain], "other": [plain]}


THEN = "node-then"
INVOKE = {"nodeId": THEN, "command": "camera.snap", "idempotencyKey": "k"}
ASKED_THEN = {"id": "then", "nodeId": THEN, "idempotencyKey": "k"}


def final(run_id: str) -> dict[str, Any]:
    payload = {"runId": run_id, "sessionKey": "main", "seq": 1, "state": "final"}
    return {"type": "event", "event": "chat", "payload": payload}


TRACES: dict[str, list[dict[str, Any]]] = {
    "node.invoke": [
        {
            "case": "ok",
            "request": request("node.invoke", "i", **INVOKE),
            "responses": [answer({"by": THEN}, "i")],
        }
    ],
    "node.invoke.result": [
        {
            "case": "ok",
            "request": request("node.invoke.result", "r", id="then", nodeId=THEN, ok=True),
            "responses": [answer({"ok": True}, "r")],
        },
        {"case": "no request", "request": None},
    ],
    "heard": [
        {
            "case": "one kind",
            "request": None,
            "events": [{"event": "node.invoke.request", "payload": ASKED_THEN}],
        },
        {
            "case": "many kinds",
            "request": None,
            "events": [
                {"event": "connect.challenge", "payload": {}},
                {"event": "tick", "payload": {}},
                {"event": "node.invoke.request", "payload": ASKED_THEN},
                final("run-then"),
            ],
        },
    ],
    "node.event": [
        {
            "case": "ok",
            "request": request("node.event", "e", event="x"),
            "responses": [answer({"ok": True}, "e")],
            "events": [final("run-then")],
        }
    ],
}
ANY = [Rule(path=path, how="type", reason="random") for path in ("*.id", "*.nonce", "*.runId")]
NODE_RULES = [Rule(path="$.events.0.payload", how="type", reason="the challenge"), *ANY]


class OneNode:
    """A server that passes on what it is asked, and tells its node of a run."""

    def __init__(self) -> None:
        self.server: Any = None
        self.answered = asyncio.Event()

    def tell(self, event: Event) -> None:
        nodes = [one.conn_id for one in self.server.hub.callers if one.role is Role.NODE]
        self.server.hub.publish(structs.replace(event, only=frozenset(nodes)))

    def methods(self) -> Methods:
        made = Methods()

        @made.method("last-heartbeat", scope=Scope.READ)
        def last_heartbeat(ctx: object) -> None:
            """What a replay settles with."""

        @made.method("node.invoke", scope=Scope.WRITE)
        async def invoke(ctx: object, params: NodeInvoke) -> Any:
            """Ask the node."""
            asked = {"id": "now", "nodeId": params.node_id, "idempotencyKey": "k"}
            self.tell(Event("node.invoke.request", asked))
            await self.answered.wait()
            return {"by": params.node_id}

        @made.method("node.invoke.result", role=Role.NODE)
        def result(ctx: object) -> Any:
            """Take its answer."""
            self.answered.set()
            return {"ok": True}

        @made.method("node.event", role=Role.NODE)
        def event(ctx: object) -> Any:
            """Begin and end a run."""
            self.tell(Event("chat", final("run-now")["payload"]))
            return {"ok": True}

        return made


async def test_a_scripted_node_answers_and_what_it_heard_is_compared(tmp_path: Path) -> None:
    for name, cases in TRACES.items():
        (tmp_path / f"{name}.json").write_text(
            json.dumps({"name": name, "method": name, "cases": cases})
        )
    script = NodeScript(
        name="phone",
        identity="phone",
        client={"id": "node-host", "mode": "node", "version": "1", "platform": "ios"},
        answers={"k": "ok"},
    )
    steps = [
        Step("node.invoke", "ok", joins="phone"),
        Step("node.invoke.result", "ok", on="node"),
        Step("heard", "one kind", on="node"),
        Step("node.event", "ok", on="node"),
        Step("heard", "many kinds", on="node"),
    ]
    world = OneNode()
    async with running_server(
        tmp_path,
        methods=world.methods(),
        prepare=lambda server, _: setattr(world, "server", server),
    ) as running:
        scenario = Scenario(steps, NODE_RULES, node=[script], devices={THEN: "phone"})
        found = await Replay(running.url, TOKEN, tmp_path, scenario).run()
    assert [one.comparison.differences for one in found] == [[]] * len(steps)


async def test_an_answer_of_a_node_is_a_recorded_request(tmp_path: Path) -> None:
    cases = TRACES["node.invoke.result"]
    (tmp_path / "node.invoke.result.json").write_text(
        json.dumps({"name": "x", "method": "x", "cases": cases})
    )
    asking = Replay("ws://nowhere", TOKEN, tmp_path, Scenario([]))
    assert asking._answer_of("ok")["id"] == "r"
    with pytest.raises(replay.ReplayError, match="no request"):
        asking._answer_of("no request")
