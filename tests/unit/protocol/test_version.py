"""A dialect is chosen once and decides how three things look."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from carapace.errors import Refused
from carapace.protocol.connect import Features, HelloAuth, Policy, ServerInfo
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Role, Scope
from carapace.protocol.version import V3, HelloParts, choose

V4 = replace(V3, protocol=4)


def test_the_newest_common_version_is_chosen():
    assert choose(3, 3) is V3
    assert choose(1, 9, (V3, V4)) is V4
    assert choose(3, 3, (V3, V4)) is V3


def test_no_common_version_is_none():
    assert choose(1, 2) is None
    assert choose(4, 9) is None


def test_hello_of_3_keeps_the_order_clients_have_always_seen():
    parts = HelloParts(
        server=ServerInfo(version="1", conn_id="c"),
        features=Features([], []),
        snapshot={},
        policy=Policy(1, 2, 3),
        auth=HelloAuth("t", "operator", [], 1),
    )
    decoded = msgspec.json.decode(msgspec.json.encode(V3.hello(parts)))
    assert list(decoded) == [
        "type",
        "protocol",
        "server",
        "features",
        "snapshot",
        "auth",
        "policy",
    ]
    assert (decoded["type"], decoded["protocol"]) == ("hello-ok", 3)


def test_events_to_nodes_carry_no_number():
    assert V3.numbers_events(Role.OPERATOR)
    assert not V3.numbers_events(Role.NODE)


def test_a_dialect_knows_the_rows_of_its_version():
    methods = Methods()

    @methods.method("x", scope=Scope.READ)
    def handler(ctx: object) -> None:
        """Exist."""

    assert V3.knows(methods["x"])
    assert not V4.knows(methods["x"])


def test_errors_are_shaped_by_the_dialect():
    assert V3.shape_error(Refused("no")).code == "INVALID_REQUEST"
