"""The tool that knows the time."""

from __future__ import annotations

from carapace.agent.tools.time import TOOLS


def test_the_time_is_for_every_model():
    assert TOOLS["current_time"].is_core
    assert list(TOOLS["current_time"].spec.parameters["properties"]) == ["timezone"]
