"""`gateway.nodes`."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.gateway import GatewaySettings
from carapace.config.settings.nodes import NodesSettings


def test_nothing_is_added_and_nothing_taken_away() -> None:
    settings = NodesSettings()
    assert (settings.allow_commands, settings.deny_commands) == ((), ())
    assert (settings.browser.mode, settings.browser.node) == ("auto", None)


def test_a_file_of_the_node_gateway_is_understood() -> None:
    given = {
        "nodes": {
            "browser": {"mode": "manual", "node": "n1"},
            "allowCommands": ["door.open"],
            "denyCommands": ["sms.send"],
        }
    }
    nodes = msgspec.convert(given, GatewaySettings).nodes
    assert (nodes.browser.mode, nodes.browser.node) == ("manual", "n1")
    assert (nodes.allow_commands, nodes.deny_commands) == (("door.open",), ("sms.send",))


def test_a_mode_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"browser": {"mode": "always"}}, NodesSettings)
