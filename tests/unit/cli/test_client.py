"""The client is admitted with its device, and says plainly what goes wrong."""

from __future__ import annotations

import pytest

from carapace.cli.client import GatewayClient, RequestFailed
from carapace.cli.options import Remote
from carapace.cli.target import Target, find_target
from carapace.cli.trouble import Trouble
from carapace.cli.websocket import WebSocket, WebSocketError
from support.command import Command
from support.mini_gateway import MiniGateway, Refuse


@pytest.fixture
def target(cara: Command, gateway: MiniGateway) -> Target:
    return find_target(Remote())


def test_it_connects_as_a_device_and_sends_no_nulls(target: Target, gateway: MiniGateway):
    with GatewayClient(target) as client:
        assert client.hello["server"]["version"] == "9.9.9"
    (params,) = gateway.asked("connect")
    assert params["device"]["nonce"] == "mini-nonce"
    assert params["client"]["id"] == "cli"
    assert None not in params.values()


def test_events_between_answers_are_kept(target: Target):
    with GatewayClient(target) as client:
        assert client.call("health")["ok"]
        first = client.next_event(1)
        assert first is not None
        assert first.name == "tick"
        while client.next_event(0.05) is not None:
            pass


def test_a_refusal_has_its_code(target: Target):
    with GatewayClient(target) as client, pytest.raises(RequestFailed) as caught:
        client.call("no.such.method")
    assert caught.value.code == "INVALID_REQUEST"
    assert caught.value.why == "unknown method: no.such.method"


def test_no_answer_in_time_is_trouble(target: Target, gateway: MiniGateway):
    with GatewayClient(target) as client, pytest.raises(Trouble, match="did not answer health"):
        client.call("health", timeout_s=1e-9)


@pytest.mark.parametrize(
    ("code", "step"), [("INVALID_REQUEST", "cara token show"), ("NOT_PAIRED", "Approve this")]
)
def test_who_is_not_let_in_is_told_what_to_do(
    target: Target, gateway: MiniGateway, code: str, step: str
):
    def refuse() -> None:
        raise Refuse(code, "no entry")

    gateway.on_connect = refuse
    with pytest.raises(Trouble, match="did not let us in") as caught:
        GatewayClient(target)
    assert caught.value.why == "no entry"
    assert step in (caught.value.next_step or "")


def test_a_wrong_token_is_told(cara: Command, gateway: MiniGateway):
    done = cara("status", "--token", "wrong-token")
    assert done.code == 1
    assert "unauthorized: gateway token mismatch" in done.err
    assert "cara token show" in done.err


class Scripted:
    """A socket that says what it is given to say."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.is_closed = False

    def receive(self, _timeout_s: float | None) -> str:
        if not self.texts:
            raise TimeoutError
        return self.texts.pop(0)

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type":"event","event":"tick"}', "not a gateway"),
        ("rubbish", "connection to the gateway ended"),
    ],
)
def test_a_peer_that_does_not_challenge_is_no_gateway(
    target: Target, monkeypatch: pytest.MonkeyPatch, text: str, said: str
):
    peer = Scripted(text)
    monkeypatch.setattr("carapace.cli.websocket.WebSocket.connect", lambda *_, **__: peer)
    with pytest.raises(Trouble, match=said):
        GatewayClient(target)
    assert peer.is_closed


def test_after_a_restart_it_is_there_again(target: Target, gateway: MiniGateway):
    with GatewayClient(target) as client:
        client.revive()
        gateway.closes_after["health"] = 1012
        client.call("health")
        client.revive(glance_s=5)
        assert client.call("health")["ok"]
    assert len(gateway.asked("connect")) == 2


def test_another_end_is_an_end(target: Target, gateway: MiniGateway):
    with GatewayClient(target) as client:
        gateway.closes_after["health"] = 1008
        client.call("health")
        with pytest.raises(Trouble, match="connection to the gateway ended"):
            client.revive(glance_s=5)


def test_a_gateway_that_does_not_come_back_is_told(
    target: Target, gateway: MiniGateway, monkeypatch: pytest.MonkeyPatch
):
    def nobody(*_: object, **__: object) -> None:
        raise WebSocketError("refused")

    with GatewayClient(target) as client:
        gateway.closes_after["health"] = 1012
        client.call("health")
        monkeypatch.setattr(WebSocket, "connect", nobody)
        with pytest.raises(Trouble, match="No gateway answers"):
            client.revive(within_s=0.15, glance_s=5)


def test_what_breaks_the_protocol_meanwhile_is_told(
    target: Target, monkeypatch: pytest.MonkeyPatch
):
    with GatewayClient(target) as client:
        monkeypatch.setattr(WebSocket, "receive", lambda *_: "rubbish")
        with pytest.raises(Trouble, match="connection to the gateway ended"):
            client.revive()
