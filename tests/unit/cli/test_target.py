"""Flags before environment before file before vault."""

from __future__ import annotations

import socket

import pytest

from carapace.cli.options import Remote
from carapace.cli.plaintext import may_be_plain
from carapace.cli.target import find_target
from carapace.cli.trouble import Trouble
from carapace.cli.websocket import TooFar, WebSocket
from carapace.credentials.opening import vault_path
from support.command import Command


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ("{}", "ws://127.0.0.1:18789"),
        ("{gateway: {port: 5}}", "ws://127.0.0.1:5"),
        ("{gateway: {bind: 'lan', tls: {enabled: true}}}", "wss://127.0.0.1:18789"),
        ("{gateway: {bind: 'custom', customBindHost: '10.1.2.3'}}", "ws://10.1.2.3:18789"),
        ("{gateway: {bind: 'custom', customBindHost: '0.0.0.0'}}", "ws://127.0.0.1:18789"),
        ("{gateway: {bind: 'custom', customBindHost: 'fd00::1'}}", "ws://[fd00::1]:18789"),
    ],
)
def test_the_address_follows_the_configuration(cara: Command, config: str, url: str):
    cara.write_config(config)
    assert find_target(Remote()).url == url


def test_a_flag_wins_over_environment_over_file(cara: Command, monkeypatch: pytest.MonkeyPatch):
    cara.write_config("{gateway: {auth: {token: 'file'}}}")
    assert find_target(Remote()).token == "file"
    monkeypatch.setenv("CLAWDBOT_GATEWAY_TOKEN", "environment")
    assert find_target(Remote()).token == "environment"
    assert find_target(Remote(token="flag")).token == "flag"
    found = find_target(Remote(password="flag", url="ws://x"))
    assert (found.token, found.password, found.url) == (None, "flag", "ws://x")


def test_the_vault_has_the_last_word_and_keeps_the_device(cara: Command):
    made = cara("token", "rotate").out.strip()
    first, second = find_target(Remote()), find_target(Remote())
    assert first.token == made
    assert first.identity is not None
    assert second.identity is not None
    assert first.identity.id == second.identity.id
    assert vault_path(first.paths.state_dir).exists()


def test_a_broken_file_does_not_matter_when_the_address_is_given(cara: Command):
    cara.write_config("{")
    with pytest.raises(Trouble) as caught:
        find_target(Remote())
    assert caught.value.exit_code == 78
    assert find_target(Remote(url="ws://x", token="t")).url == "ws://x"
    assert find_target(Remote(url="ws://x")).token is None


REMOTE = (
    "{gateway: {mode: 'remote', auth: {token: 'ours'}, remote: {url: 'wss://box', token: 't'}}}"
)


def test_in_remote_mode_the_other_machine_is_meant_with_its_own_credential(cara: Command):
    cara.write_config(REMOTE)
    found = find_target(Remote())
    assert (found.url, found.token, found.password) == ("wss://box", "t", None)
    cara.write_config("{gateway: {mode: 'remote', remote: {url: 'wss://box', password: 'p'}}}")
    found = find_target(Remote())
    assert (found.url, found.token, found.password) == ("wss://box", None, "p")


def test_a_tunnel_to_the_remote_gateway_gets_its_credential_and_not_ours(cara: Command):
    assert cara("token", "rotate").code == 0
    cara.write_config(
        "{gateway: {mode: 'remote', auth: {token: 'ours'}, remote: {url: 'ws://127.0.0.1:7'}}}"
    )
    assert find_target(Remote()).token is None


def test_what_is_handed_over_for_the_call_wins_in_remote_mode_too(
    cara: Command, monkeypatch: pytest.MonkeyPatch
):
    cara.write_config(REMOTE)
    assert find_target(Remote(token="flag")).token == "flag"
    monkeypatch.setenv("CARAPACE_GATEWAY_TOKEN", "environment")
    assert find_target(Remote()).token == "environment"


def test_no_kept_credential_goes_to_an_address_it_is_not_meant_for(cara: Command):
    assert cara("token", "rotate").code == 0
    found = find_target(Remote(url="wss://elsewhere"))
    assert (found.token, found.password) == (None, None)
    cara.write_config("{gateway: {auth: {token: 'ours'}}}")
    assert find_target(Remote(url="wss://elsewhere")).token is None
    assert find_target(Remote(url="ws://localhost:5")).token == "ours"


def test_remote_mode_without_an_address_says_what_to_set(cara: Command):
    cara.write_config("{gateway: {mode: 'remote'}}")
    done = cara("status")
    assert done.code == 78
    assert "cara config set gateway.remote.url" in done.err


def test_adv_a18_a_credential_never_travels_in_the_clear_to_a_far_address(cara: Command):
    """A name that leads to a far address is refused after connecting, before a byte is sent."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TooFar):
            WebSocket.connect(url, timeout_s=5, plain_to=lambda _address: False)
        peer, _ = listener.accept()
        with peer:
            heard += peer.recv(1)
    assert heard == b""
    assert not may_be_plain("203.0.113.7")


def test_adv_a18_the_refusal_says_what_to_do(cara: Command, monkeypatch: pytest.MonkeyPatch):
    def far(_url: str, **_options: object) -> WebSocket:
        raise TooFar("box.example is outside this machine and private networks")

    monkeypatch.setattr(WebSocket, "connect", far)
    done = cara("status", "--url", "ws://box.example", "--token", "t")
    assert done.code == 1
    assert "wss://" in done.err
    assert "ssh -L" in done.err


def test_a_remote_gateway_that_does_not_answer_is_looked_for_there(cara: Command):
    cara.write_config("{gateway: {mode: 'remote', remote: {url: 'ws://nobody.invalid:1'}}}")
    done = cara("status")
    assert done.code == 1
    assert "on that machine" in done.err
    assert "cara up" not in done.err
    rows = {row["name"]: row for row in cara("doctor", "--json").json["findings"]}
    assert rows["gateway"]["state"] == "bad"
    assert "cara up" not in rows["gateway"]["next"]
