"""The contract of the native apps: a test for each connection, call, payload and event.

`native_contract.toml` says what each app sends and what it must be able to decode; the whole
day is played once against a gateway with sessions, jobs, nodes, devices, approvals, skills and
channels behind it, and every line of it is then a test of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import pytest
import pytest_asyncio

from support.gateway import TOKEN, model_server, running_gateway, settings
from support.native_apps import CONTRACT
from support.native_replay import CALLS, SHAPES, Day, at
from support.native_shapes import Shapes, Undecodable
from support.packages import PUBLISHER
from support.plugin_packages import GUESTS, packed
from support.skills import make_program, write_skill
from support.zalo_gateway import admin, ok

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NOWHERE: Final = "http://127.0.0.1:9"
CONNECTIONS: Final = list(CONTRACT["connection"])
NUMBERED: Final = [(index, call) for index, call in enumerate(CALLS) if "method" in call]
HEARD: Final = [
    (name, event) for name, row in CONTRACT["connection"].items() for event in row["events"]
]


def config(model_port: int) -> dict[str, Any]:
    """A gateway with two chat services, a clock that is heard soon, and installs allowed."""
    made = settings(model_port, tickIntervalS=1)
    made["channels"] = {
        "whatsapp": {"allowFrom": ["+15555550123"], "apiUrl": NOWHERE},
        "signal": {"httpUrl": NOWHERE},
    }
    entries = {"signal": {"http": [f"GET {NOWHERE}/**"]}}
    made["plugins"] = {"trustedPublishers": [PUBLISHER], "entries": entries}
    made["skills"] = {"install": {"enabled": True}}
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Day]:
    home = tmp_path_factory.mktemp("native-day")
    bins = home / "bin"
    make_program(bins, "uv", f'cp "$0" {bins}/crab')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{bins}:/usr/bin:/bin")
        async with (
            model_server(home) as model,
            running_gateway(home / "gateway", config(model.port)) as gateway,
        ):
            async with admin(gateway) as connection:
                for one in ("whatsapp", "signal"):
                    source = str(packed(GUESTS / one, home))
                    await ok(connection, "plugins.install", {"source": source, "accept": True})
            option = {"id": "uv", "kind": "uv", "package": "crab-cli", "bins": ["crab"]}
            needs = {"bins": ["crab"], "env": ["CRAB_KEY"], "config": ["browser.enabled"]}
            block = {"requires": needs, "install": [option], "emoji": "🦀"}
            write_skill(gateway.state_dir / "skills", "crab", block)
            async with Day(gateway, "openclaw") as played:
                await played.play()
                await played.end()
                yield played


# ---- the data file ---------------------------------------------------------------------------


def _asked() -> dict[str, set[str]]:
    asked: dict[str, set[str]] = {name: set() for name in CONNECTIONS}
    for _, call in NUMBERED:
        if not call.get("is_scenery"):
            asked[call["by"]].add(call["method"])
    return asked


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_every_method_that_the_contract_names_is_called(name: str):
    assert _asked()[name] == set(CONTRACT["methods"][name])


@pytest.mark.parametrize("payload", sorted(CONTRACT["payloads"]))
async def test_every_payload_of_the_contract_has_a_shape_with_required_fields(payload: str):
    returned = {call["method"]: str(call["returns"]) for _, call in NUMBERED if "returns" in call}
    for place in CONTRACT["payloads"][payload]:
        where, _, name = place.rpartition(" ")
        if where == "event":
            shape = CONTRACT["event"][name]
            assert any(event == name for _, event in HEARD)
        else:
            shape = returned["exec.approvals.node.get" if where == "command" else name]
        fields = CONTRACT["shape"].get(shape.strip("[]"), {})
        is_all_optional = payload in ("config.get", "chat event")  # as their decoders are
        assert fields
        assert any(not field.endswith("?") for field in fields) != is_all_optional


async def test_every_type_of_a_shape_is_a_shape():
    for name, fields in CONTRACT["shape"].items():
        for kind in fields.values():
            for one in kind.split("|"):
                word = one.strip("[]{}")
                known = {"int", "number", "string", "bool", "object", "any", *SHAPES.names()}
                is_closed = word.startswith(("enum:", "kind:"))
                assert is_closed or word in known, (name, kind)


# ---- the day -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_a_connection_is_greeted_as_its_app_decodes_it(day: Day, name: str):
    hello, row = day.hellos[name], CONTRACT["connection"][name]
    SHAPES.check(hello, "Hello")
    assert hello["auth"]["role"] == row["role"]
    assert sorted(hello["auth"]["scopes"]) == sorted(row["scopes"])
    assert set(row["events"]) - {"connect.challenge"} <= set(hello["features"]["events"])
    assert TOKEN not in str(hello)


@pytest.mark.parametrize(
    ("index", "call"),
    NUMBERED,
    ids=[f"{index}-{call['by']}-{call['method']}" for index, call in NUMBERED],
)
async def test_an_answer_is_what_the_app_decodes(day: Day, index: int, call: dict[str, Any]):
    answer = day.answers[index]
    assert not answer.trouble, answer.trouble
    if "refused" in call:
        assert answer.frame["ok"] is False
        error = answer.frame["error"]
        assert (error["code"], error["message"]) == ("INVALID_REQUEST", call["refused"])
        return
    assert answer.frame["ok"], answer.frame
    payload = answer.frame["payload"]
    SHAPES.check(payload, call["returns"])
    for path in call.get("rows", ()):
        assert at(payload, path), f"{path} is empty: nothing was decoded"


@pytest.mark.parametrize(("name", "event"), HEARD, ids=[f"{one}-{event}" for one, event in HEARD])
async def test_an_app_hears_an_event_and_decodes_it(day: Day, name: str, event: str):
    frames = [one for one in day.sockets[name].events if one["event"] == event]
    assert frames
    for frame in frames:
        SHAPES.check(frame["payload"], CONTRACT["event"][event])


@pytest.mark.parametrize("name", CONNECTIONS)
async def test_nothing_that_an_app_hears_is_unknown_or_undecodable(day: Day, name: str):
    role = CONTRACT["connection"][name]["role"]
    for frame in day.sockets[name].events:
        SHAPES.check(frame["payload"], CONTRACT["event"][frame["event"]])
        SHAPES.check(frame.get("seq", 0), "int")
        if frame.get("stateVersion") is not None:
            SHAPES.check(frame["stateVersion"], "StateVersion")
        assert role == "operator" or "seq" not in frame, "nodes are written to one by one"


@pytest.mark.parametrize("name", [one for one in CONNECTIONS if one in ("mac", "android")])
async def test_the_numbers_of_an_operators_events_have_no_gap(day: Day, name: str):
    seqs = [one["seq"] for one in day.sockets[name].events if one.get("seq") is not None]
    assert seqs
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


# ---- the decoder -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "stumbles_over"),
    [
        ({"ts": 1.0}, "Tick", "ts"),
        ({"ts": True}, "Tick", "ts"),
        ({"ts": None}, "Tick", "null"),
        ({}, "Tick", "missing"),
        ({"ts": 1, "status": "x", "to": 1}, "Heartbeat", "to"),
        ([{"ts": 1}, {}], "[Presence]", r"\$\.1\.ts"),
        ({"a": 1}, "{string}", r"\$\.a"),
        ({"kind": "yearly"}, "kind:Schedule", "unknown"),
        ({"kind": "at", "atMs": 1.5}, "kind:Schedule", "atMs"),
        ("sometimes", "enum:now,next-heartbeat", "none of"),
        (7, "string|[Part]", "no string"),
        ([], "object", "no object"),
        ({}, "[int]", "no list"),
    ],
)
async def test_the_decoder_stumbles_where_the_apps_do(value: Any, kind: str, stumbles_over: str):
    with pytest.raises(Undecodable, match=stumbles_over):
        SHAPES.check(value, kind)


async def test_the_decoder_skips_what_is_unknown_and_takes_what_may_be_absent():
    shapes = Shapes({"One": {"a": "int", "b?": "string"}})
    for value in ({"a": 1}, {"a": 1, "b": None}, {"a": 1, "b": "x", "c": [1.5]}):
        shapes.check(value, "One")
    shapes.check(1.5, "number")
    shapes.check("x", "string|[One]")
    shapes.check({"anything": None}, "any")
