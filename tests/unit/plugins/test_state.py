"""A refusal is one word for programs and a text for people."""

from __future__ import annotations

from carapace.plugins.ports import RunPhase
from carapace.plugins.state import PluginRefused, PluginState, Refusal, Standing


def test_a_refusal_says_by_which_rule():
    error = PluginRefused(Refusal.OLDER, "too old")
    assert (error.code, error.message, error.refusal) == ("INVALID_REQUEST", "too old", "older")
    assert error.details == {"reason": "older"}


def test_a_standing_is_never_taken_for_a_phase_of_the_host():
    assert not set(Standing) & set(RunPhase)


def test_all_is_well_without_a_reason():
    assert PluginState("running").reason == ""
