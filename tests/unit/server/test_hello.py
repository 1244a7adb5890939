"""hello-ok has what native decoders insist on, and tells paths to administrators only."""

from __future__ import annotations

import msgspec
import pytest

from carapace.auth.presence import Presence
from carapace.auth.types import Admission, Origin
from carapace.protocol.connect import HelloAuth, Policy
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.version import V3
from carapace.server.hello import METHOD_ORDER, HelloBuilder, advertised
from support.clock import FakeClock
from support.server import Source, make_caller, own_entry, sample_methods


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


ORIGIN = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="box:1")


def build(clock: FakeClock, **caller):
    builder = HelloBuilder(
        sample_methods(),
        policy=Policy(524_288, 1_572_864, 30_000),
        source=Source(Presence(own_entry()), clock),
        version="9.9",
        host="box",
        clock=clock,
        canvas_url=lambda one, origin: f"http://{origin.host}/{one.conn_id}",
    )
    return builder, lambda auth=None: msgspec.json.decode(
        msgspec.json.encode(builder.build(Admission(make_caller("c1", **caller), auth), V3, ORIGIN))
    )


async def test_everything_a_native_decoder_needs_is_there(clock):
    _, hello = build(clock)
    await clock.advance(1.5)
    decoded = hello(HelloAuth("dt", "operator", ["operator.read"], 5))
    assert decoded["server"] == {"version": "9.9", "connId": "c1", "host": "box"}
    assert decoded["features"]["methods"] == [
        "health",
        "config.get",
        "models.list",
        "node.event",
        "agent",
    ]
    assert len(decoded["features"]["events"]) == 18
    assert decoded["snapshot"]["uptimeMs"] == 1500
    assert decoded["snapshot"]["stateVersion"] == {"presence": 1, "health": 1}
    assert decoded["snapshot"]["presence"][0]["text"] == "Gateway: box"
    assert decoded["snapshot"]["health"]["ok"] is True
    assert decoded["auth"]["deviceToken"] == "dt"
    assert decoded["policy"]["maxPayload"] == 524_288


def test_paths_are_for_administrators(clock):
    _, hello = build(clock)
    assert hello()["snapshot"]["configPath"] == "/secret/config.json"
    _, hello = build(clock, scopes=("operator.read", "operator.write"))
    assert "secret" not in str(hello())


def test_methods_come_in_their_usual_order_and_hidden_ones_not_at_all():
    methods = Methods()
    for name, is_shown in (("chat.send", True), ("zzz", True), ("health", True), ("poll", False)):

        @methods.method(name, scope=Scope.READ, advertised=is_shown)
        def handler(ctx: object) -> None:
            """Exist."""

    assert advertised(methods, V3) == ["health", "chat.send", "zzz"]


def test_the_order_names_each_method_once():
    assert len(METHOD_ORDER) == len(set(METHOD_ORDER)) == 80


def test_a_hello_is_cheap(clock):
    """Features are encoded once, however many connect."""
    builder, hello = build(clock)
    hello()
    first = builder._features[3]
    hello()
    assert builder._features[3] is first


def test_each_client_is_told_its_own_address_of_the_canvas(clock):
    _, hello = build(clock)
    assert hello()["canvasHostUrl"] == "http://box:1/c1"
