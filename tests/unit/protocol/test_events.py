"""Eighteen kinds of events of the protocol and one of ours, and who may hear them."""

from __future__ import annotations

from carapace.protocol.events import ADVERTISED, EVENTS
from carapace.protocol.scopes import Scope

NAMES = """
connect.challenge agent chat presence tick talk.mode shutdown health heartbeat cron
node.pair.requested node.pair.resolved node.invoke.request device.pair.requested
device.pair.resolved voicewake.changed exec.approval.requested exec.approval.resolved
"""


def test_all_events_of_protocol_3_are_advertised_in_their_order():
    assert list(ADVERTISED) == NAMES.split()


def test_our_own_events_are_heard_but_not_advertised():
    assert {row.name for row in EVENTS.values() if row.is_own} == {"delivery"}
    assert set(EVENTS) - set(ADVERTISED) == {"delivery"}
    assert EVENTS["delivery"].scope is Scope.READ


def test_conversations_need_read_and_pairing_needs_pairing():
    assert EVENTS["chat"].scope is EVENTS["agent"].scope is Scope.READ
    assert EVENTS["device.pair.requested"].scope is Scope.PAIRING
    assert EVENTS["exec.approval.requested"].scope is Scope.APPROVALS


def test_only_the_tick_the_shutdown_and_the_wake_words_reach_nodes_unaddressed():
    told = {row.name for row in EVENTS.values() if row.for_nodes}
    assert told == {"tick", "shutdown", "voicewake.changed"}


def test_what_must_not_be_missed_closes_a_slow_client():
    kept = {row.name for row in EVENTS.values() if not row.drop_if_slow}
    assert kept == {"connect.challenge", "agent", "chat", "shutdown", "node.invoke.request"}
