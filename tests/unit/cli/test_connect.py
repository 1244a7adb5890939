"""A verb talks to the gateway that its flags and environment mean."""

from __future__ import annotations

import pytest

from carapace.cli.connect import ask, connect
from carapace.cli.options import DEFAULT_REMOTE
from carapace.cli.trouble import Trouble
from support.command import Command
from support.mini_gateway import MiniGateway


def test_the_client_asks_the_configured_gateway(cara: Command, gateway: MiniGateway):
    with connect(DEFAULT_REMOTE) as client:
        assert client.call("sessions.list", {})["sessions"]
    assert gateway.asked("sessions.list") == [{}]


def test_one_question_needs_no_more_than_itself(cara: Command, gateway: MiniGateway):
    assert ask(DEFAULT_REMOTE, "sessions.list", {"limit": 3})["sessions"]
    assert ask(DEFAULT_REMOTE, "sessions.list")["sessions"]
    assert gateway.asked("sessions.list") == [{"limit": 3}, {}]


def test_without_a_gateway_the_next_step_is_told(
    cara: Command, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
):
    monkeypatch.setenv("CARAPACE_GATEWAY_PORT", str(unused_tcp_port))
    monkeypatch.setenv("CARAPACE_GATEWAY_TOKEN", "x" * 20)
    with pytest.raises(Trouble), connect(DEFAULT_REMOTE) as client:
        client.call("health", {})
