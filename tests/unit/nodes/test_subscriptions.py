"""Which nodes follow which sessions."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from carapace.ids import ConnId
from carapace.nodes.subscriptions import MAX_SESSIONS, Subscriptions
from carapace.protocol.agent import AgentEvent
from carapace.protocol.chat import ChatEvent
from carapace.protocol.events import Event
from carapace.sessions.keys import canonical

A, B = ConnId("a"), ConnId("b")


def chat(session_key: str) -> Event:
    return Event("chat", ChatEvent("r1", session_key, 1, "final"))


def agent(session_key: str) -> Event:
    return Event("agent", AgentEvent("r1", "lifecycle", {}, session_key, 1, 1))


def test_followers_hear_of_their_session_under_every_name_it_has() -> None:
    subscriptions = Subscriptions(canonical)
    subscriptions.follow(A, "main")
    subscriptions.follow(B, "other")
    for key in ("main", "agent:main:main", "MAIN"):
        assert subscriptions.followers(chat(key)) == {A}
        assert subscriptions.followers(agent(key)) == {A}
    assert subscriptions.followers(chat("third")) == frozenset()


def test_whoever_follows_anything_hears_of_health() -> None:
    subscriptions = Subscriptions(canonical)
    assert subscriptions.followers(Event("health", {})) == frozenset()
    subscriptions.follow(A, "main")
    assert subscriptions.followers(Event("health", {})) == {A}


def test_other_events_and_events_of_no_session_reach_no_follower() -> None:
    subscriptions = Subscriptions(canonical)
    subscriptions.follow(A, "main")
    assert subscriptions.followers(Event("presence", {})) == frozenset()
    assert subscriptions.followers(chat("")) == frozenset()


def test_a_node_that_unfollows_or_leaves_hears_nothing_more() -> None:
    subscriptions = Subscriptions(canonical)
    subscriptions.unfollow(A, "main")
    for key in ("main", "other"):
        subscriptions.follow(A, key)
    subscriptions.unfollow(A, "agent:main:main")
    assert subscriptions.followers(chat("main")) == frozenset()
    assert subscriptions.followers(chat("other")) == {A}
    subscriptions.unfollow(A, "other")
    assert subscriptions.followers(Event("health", {})) == frozenset()
    subscriptions.follow(A, "main")
    subscriptions.forget(A)
    subscriptions.forget(A)
    assert subscriptions.followers(chat("main")) == frozenset()


def test_a_node_follows_so_many_sessions_and_no_more() -> None:
    subscriptions = Subscriptions(canonical)
    for number in range(MAX_SESSIONS):
        subscriptions.follow(A, f"s{number}")
    subscriptions.follow(A, "s0")
    with pytest.raises(Refused, match=r"chat\.unsubscribe"):
        subscriptions.follow(A, "one more")


def test_what_is_no_session_key_is_refused() -> None:
    with pytest.raises(Refused):
        Subscriptions(canonical).follow(A, "agent:..:x")
