"""The words of the room."""

from __future__ import annotations

from carapace.nodes.types import NOT_CONNECTED, TIMED_OUT, NodeFailure, Outcome


def test_a_result_is_no_failure() -> None:
    assert Outcome({"done": True}).failure is None


def test_our_own_failures_carry_the_recorded_words() -> None:
    assert NodeFailure("NOT_CONNECTED", "node not connected") == NOT_CONNECTED
    assert TIMED_OUT.failure == NodeFailure("TIMEOUT", "node invoke timed out")
