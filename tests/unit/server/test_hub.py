"""Who hears an event, with which number, and what happens to who does not listen."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.ids import ConnId
from carapace.protocol.events import Event, StateVersion
from carapace.protocol.scopes import Role
from carapace.server.hub import Hub
from carapace.telemetry.metrics import Metrics
from support.link import FakeLink
from support.server import audit_in, make_caller


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("test", with_process=False)


@pytest.fixture
def hub(tmp_path: Path, metrics: Metrics) -> Hub:
    return Hub(metrics=metrics, audit=audit_in(tmp_path), stall_timeout_s=30.0)


def join(hub: Hub, conn_id: str, *scopes: str, role: Role = Role.OPERATOR) -> FakeLink:
    link = FakeLink(make_caller(conn_id, role=role, scopes=scopes))
    hub.join(link)
    return link


def names(link: FakeLink) -> list[str]:
    return [frame["event"] for frame in link.frames]


def test_events_are_numbered_for_each_connection_from_one(hub):
    first = join(hub, "a", "operator.read")
    hub.publish(Event("tick", {"ts": 1}))
    second = join(hub, "b", "operator.read")
    hub.publish(Event("tick", {"ts": 2}, StateVersion(1, 2)))
    assert [frame["seq"] for frame in first.frames] == [1, 2]
    assert second.frames == [
        {
            "type": "event",
            "event": "tick",
            "payload": {"ts": 2},
            "stateVersion": {"presence": 1, "health": 2},
            "seq": 1,
        }
    ]


def test_only_who_holds_the_scope_hears_and_nobody_sees_a_gap(hub):
    reader = join(hub, "a", "operator.read")
    pairer = join(hub, "b", "operator.pairing")
    hub.publish(Event("device.pair.requested", {}))
    hub.publish(Event("chat", {}))
    hub.publish(Event("tick", {}))
    assert [(f["event"], f["seq"]) for f in reader.frames] == [("chat", 1), ("tick", 2)]
    assert names(pairer) == ["device.pair.requested", "tick"]


def test_nodes_hear_what_is_addressed_to_them_without_a_number(hub):
    node = join(hub, "n", role=Role.NODE)
    for name in ("chat", "presence", "health", "agent"):
        hub.publish(Event(name, {}))
    assert node.frames == []
    hub.publish(Event("node.invoke.request", {"id": "1"}, only=frozenset({ConnId("n")})))
    hub.publish(Event("tick", {}))
    assert names(node) == ["node.invoke.request", "tick"]
    assert all("seq" not in frame for frame in node.frames)


def test_an_addressed_event_reaches_only_its_connections_and_still_needs_the_scope(hub):
    one, two = join(hub, "a", "operator.read"), join(hub, "b", "operator.read")
    stranger = join(hub, "c")
    hub.publish(Event("chat", {}, only=frozenset(map(ConnId, ("a", "c", "gone")))))
    assert (names(one), names(two), names(stranger)) == (["chat"], [], [])


def test_a_slow_client_misses_what_may_be_missed_and_sees_the_jump(hub, metrics):
    link = join(hub, "a", "operator.read")
    link.is_over_budget = True
    hub.publish(Event("tick", {}))
    link.is_over_budget = False
    hub.publish(Event("tick", {}))
    assert [frame["seq"] for frame in link.frames] == [2]
    assert link.closed is None
    assert metrics.ws_dropped_bytes._value.get() > 0


def test_a_slow_client_is_closed_over_what_must_not_be_missed(hub, metrics, tmp_path):
    slow, other = join(hub, "a", "operator.read"), join(hub, "b", "operator.read")
    slow.is_over_budget = True
    hub.publish(Event("chat", {}))
    assert slow.closed == (1008, "slow consumer")
    assert names(other) == ["chat"]
    assert metrics.slow_consumers._value.get() == 1
    assert "client.too_slow" in (tmp_path / "audit.jsonl").read_text()


def test_an_event_may_say_itself_that_it_can_be_missed(hub):
    link = join(hub, "a", "operator.read")
    link.is_over_budget = True
    hub.publish(Event("chat", {}, drop_if_slow=True))
    assert link.closed is None


def test_a_client_that_left_its_bytes_untouched_is_swept(hub):
    stuck, fine = join(hub, "a"), join(hub, "b")
    stuck.stalled_s = 31.0
    fine.stalled_s = 29.0
    hub.sweep()
    assert stuck.closed == (1008, "slow consumer")
    assert fine.closed is None


def test_revoked_callers_are_closed_and_others_stay(hub):
    one, two = join(hub, "a"), join(hub, "b")
    hub.close(lambda caller: caller.conn_id == "a", "token revoked")
    assert (one.closed, two.closed) == ((1008, "token revoked"), None)
    hub.close_all(1012, "service restart")
    assert two.closed == (1012, "service restart")


def test_who_left_hears_nothing_and_leaving_twice_is_harmless(hub, metrics):
    link = join(hub, "a", "operator.read")
    assert [caller.conn_id for caller in hub.callers] == ["a"]
    hub.leave(link)
    hub.leave(link)
    hub.publish(Event("tick", {}))
    assert (len(hub), link.frames) == (0, [])
    assert metrics.ws_connections.labels("operator")._value.get() == 0


def test_an_undeclared_event_is_a_mistake(hub):
    with pytest.raises(KeyError):
        hub.publish(Event("no.such.event", {}))


def test_nodes_hear_once_and_unnumbered_what_they_follow(tmp_path, metrics):
    following = {ConnId("n"), ConnId("a")}
    hub = Hub(
        metrics=metrics,
        audit=audit_in(tmp_path),
        followers=lambda event: frozenset(following if event.name == "chat" else ()),
    )
    node, other = join(hub, "n", role=Role.NODE), join(hub, "m", role=Role.NODE)
    reader, blind = join(hub, "a", "operator.read"), join(hub, "b")
    for name in ("chat", "agent", "tick"):
        hub.publish(Event(name, {}))
    assert (names(node), names(other)) == (["chat", "tick"], ["tick"])
    assert all("seq" not in frame for frame in node.frames)
    assert (names(reader), names(blind)) == (["chat", "agent", "tick"], ["tick"])


def test_an_addressed_event_reaches_no_follower(tmp_path, metrics):
    hub = Hub(
        metrics=metrics, audit=audit_in(tmp_path), followers=lambda _event: frozenset({ConnId("n")})
    )
    node = join(hub, "n", role=Role.NODE)
    join(hub, "a", "operator.read")
    hub.publish(Event("chat", {}, only=frozenset({ConnId("a")})))
    assert node.frames == []
