"""The table of who is connected stays small, ordered and current."""

from __future__ import annotations

import msgspec
import pytest

from carapace.auth.presence import Presence
from carapace.protocol.presence import PresenceEntry
from carapace.protocol.scopes import Role
from support.server import client_info, make_caller, own_entry


@pytest.fixture
def presence() -> Presence:
    return Presence(own_entry(), ttl_ms=1000, max_entries=3)


def shown(presence: Presence, now_ms: int = 0):
    return msgspec.json.decode(presence.encoded(now_ms))


def test_the_gateway_itself_comes_first_with_a_fresh_time(presence):
    presence.connected(make_caller(), None, 5)
    first = presence.entries(9)[0]
    assert (first.reason, first.ts) == ("self", 9)


def test_an_entry_looks_as_recorded(presence):
    caller = make_caller(client=client_info(device_family="Linux", model_identifier="x64"))
    assert presence.connected(caller, "10.0.0.1", 5)
    assert shown(presence)[1] == {
        "host": "golden",
        "version": "1.0.0",
        "platform": "linux",
        "deviceFamily": "Linux",
        "modelIdentifier": "x64",
        "mode": "backend",
        "roles": ["operator"],
        "scopes": ["operator.admin"],
        "reason": "connect",
        "text": "Node: golden · mode backend",
        "ts": 5,
    }


def test_a_remote_clients_address_is_shown(presence):
    presence.connected(make_caller(is_local=False), "10.0.0.1", 5)
    entry = shown(presence)[1]
    assert entry["ip"] == "10.0.0.1"
    assert entry["text"] == "Node: golden (10.0.0.1) · mode backend"


def test_a_device_is_its_own_instance(presence):
    presence.connected(make_caller(role=Role.NODE, scopes=(), device_id="d1"), None, 5)
    entry = shown(presence)[1]
    assert (entry["deviceId"], entry["instanceId"]) == ("d1", "d1")
    assert "scopes" not in entry


def test_command_line_clients_are_not_listed(presence):
    caller = make_caller(client=client_info("cli", id="cli"))
    assert not presence.connected(caller, None, 5)
    assert not presence.disconnected(caller, 6)
    assert len(presence) == 1


def test_who_left_is_shown_as_gone_until_the_time_to_live_is_over(presence):
    caller = make_caller()
    presence.connected(caller, None, 0)
    assert presence.disconnected(caller, 10)
    assert shown(presence, 10)[1]["reason"] == "disconnect"
    assert len(shown(presence, 1010)) == 2
    assert len(shown(presence, 2011)) == 1


def test_who_is_connected_never_expires(presence):
    presence.connected(make_caller(), None, 0)
    assert len(shown(presence, 999_999)) == 2


def test_a_device_that_came_back_is_not_marked_gone_by_its_old_connection(presence):
    old, new = make_caller("c1", device_id="d"), make_caller("c2", device_id="d")
    presence.connected(old, None, 0)
    presence.connected(new, None, 1)
    assert not presence.disconnected(old, 2)
    assert [entry["reason"] for entry in shown(presence, 2)] == ["self", "connect"]


def test_the_stalest_entry_makes_room(presence):
    for number in range(4):
        presence.connected(make_caller(f"c{number}"), None, number)
    assert [entry["ts"] for entry in shown(presence, 9)] == [9, 3, 2, 1]
    assert not presence.disconnected(make_caller("c0"), 9)


def test_an_instance_keeps_one_entry(presence):
    for number in range(2):
        client = client_info(instance_id="i1")
        presence.connected(make_caller(f"c{number}", client=client), None, number)
    assert len(presence) == 2


def test_the_version_grows_with_every_change(presence):
    before = presence.version
    caller = make_caller()
    presence.connected(caller, None, 0)
    presence.disconnected(caller, 1)
    shown(presence, 5000)
    assert presence.version == before + 3


def test_the_list_is_encoded_once_while_nothing_changes(presence):
    presence.connected(make_caller(), None, 0)
    assert presence.encoded(100) is presence.encoded(900)
    assert presence.encoded(100) is not presence.encoded(1100)


def test_what_a_client_says_of_itself_is_listed_for_a_while(presence):
    before = presence.version
    presence.noted("mac", PresenceEntry(text="Node: mac", host="mac", ts=5))
    assert presence.version == before + 1
    assert shown(presence, 10)[1] == {"host": "mac", "text": "Node: mac", "ts": 5}
    assert len(shown(presence, 1006)) == 1


def test_nobody_says_of_a_connected_client_what_the_gateway_knows(presence):
    presence.connected(make_caller(device_id="d1"), None, 0)
    forged = PresenceEntry(
        text="Node: x", scopes=("operator.admin", "more"), roles=("node",), device_id="d2", ts=5
    )
    presence.noted("d1", forged)
    entry = shown(presence)[1]
    assert (entry["text"], entry["deviceId"]) == ("Node: x", "d1")
    assert (entry["roles"], entry["scopes"]) == (["operator"], ["operator.admin"])
    assert len(shown(presence, 999_999)) == 2
