"""The nodes that are connected."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.auth.platform import Platform
from carapace.ids import ConnId
from carapace.nodes.live import LiveNodes, live_node
from support.nodes import live, node_caller
from support.server import make_caller


def test_a_node_is_found_until_it_leaves() -> None:
    nodes, node = LiveNodes(), live("n1")
    nodes.add(node)
    assert (nodes.get("n1"), nodes.all(), len(nodes)) == (node, (node,), 1)
    assert nodes.remove(node.conn_id, "n1")
    assert (nodes.get("n1"), len(nodes)) == (None, 0)


def test_of_two_connections_the_newer_one_counts_and_the_older_one_cannot_remove_it() -> None:
    nodes = LiveNodes()
    nodes.add(live("n1"))
    newer = live("n1", conn_id=ConnId("again"))
    nodes.add(newer)
    assert not nodes.remove(ConnId("conn-n1"), "n1")
    assert nodes.get("n1") == newer


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert not LiveNodes().remove(ConnId("c"), "n1")


def test_rules_see_the_platform_that_was_approved_and_people_the_one_it_claims() -> None:
    caller = node_caller("n1", platform="ios", caps=("camera",), permissions={"camera": True})
    assert caller.client is not None
    assert caller.claims is not None
    moved = replace(caller, claims=replace(caller.claims, platform="Android 14"))
    node = live_node(moved, "10.0.0.9", 7)
    assert node is not None
    assert (node.platform, node.shown_platform) == (Platform.ANDROID, "ios")
    assert (node.remote_ip, node.connected_at_ms) == ("10.0.0.9", 7)
    assert (node.caps, node.permissions) == (("camera",), {"camera": True})
    assert node.display_name == "Name of n1"


def test_a_node_that_says_nothing_of_itself_is_a_node_all_the_same() -> None:
    node = live_node(replace(node_caller("n1"), client=None), None, 1)
    assert node is not None
    assert (node.display_name, node.shown_platform, node.version) == (None, None, None)


def test_an_operator_is_no_node() -> None:
    assert live_node(make_caller("c1", device_id="d1"), None, 1) is None
    assert live_node(replace(node_caller("n1"), device_id=None), None, 1) is None
