"""`cara status` says whether the gateway is well."""

from __future__ import annotations

from support.command import Command
from support.mini_gateway import MiniGateway


def test_a_well_gateway_is_described(cara: Command, gateway: MiniGateway):
    done = cara("status")
    assert done.code == 0, done.err
    assert "well, version 9.9.9, up 1m" in done.out
    assert "fake/m1" in done.out
    assert "agent:main:main" in done.out


def test_json_holds_everything(cara: Command, gateway: MiniGateway):
    got = cara("status", "--json").json
    assert got["server"]["version"] == "9.9.9"
    assert got["health"]["ok"]
    assert got["models"][0]["id"] == "m1"


def test_a_gateway_that_is_not_well_is_an_error(cara: Command, gateway: MiniGateway):
    health = gateway.answers["health"]({})
    gateway.answers["health"] = lambda _: {
        **health,
        "configIssue": "line 3 is broken",
        "degraded": {"store": "full"},
        "sessions": {},
    }
    gateway.answers["models.list"] = lambda _: {
        "models": [{"provider": "p", "id": str(n)} for n in range(7)]
    }
    done = cara("status")
    assert done.code == 1
    assert "NOT WELL" in done.out
    assert "line 3 is broken" in done.out
    assert "store" in done.out
    assert "and 2 more" in done.out


def test_nobody_there_is_told_with_the_next_step(cara: Command):
    done = cara("status", "--url", "ws://127.0.0.1:9")
    assert done.code == 1
    assert "No gateway answers at ws://127.0.0.1:9" in done.err
    assert "next: Start one: cara up" in done.err
