"""Settings that no gateway could start with are told before they are written."""

from __future__ import annotations

import socket

import msgspec
import pytest

from carapace.app.fitness import need_local, unfit
from carapace.config.settings import Settings
from carapace.errors import Refused


def settings(**gateway):
    return msgspec.convert({"gateway": gateway}, Settings)


def test_the_defaults_are_fit():
    assert unfit(Settings(), Settings()) == ()
    need_local(Settings())


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        ({"mode": "remote", "remote": {"url": "wss://box"}}, "gateway.mode", "wss://box"),
        ({"mode": "remote"}, "gateway.mode", "another gateway"),
        ({"bind": "custom"}, "gateway.bind", "customBindHost"),
        ({"tls": {"enabled": True}}, "gateway.tls", "certPath"),
    ],
)
def test_what_keeps_it_from_starting_is_named(given, key, said):
    [issue] = unfit(settings(**given), Settings())
    assert issue.path == key
    assert said in issue.message


def test_all_of_it_is_named():
    found = unfit(settings(mode="remote", bind="custom", tls={"enabled": True}), Settings())
    assert [one.path for one in found] == ["gateway.mode", "gateway.bind", "gateway.tls"]
    with pytest.raises(Refused, match=r"cara config set gateway\.mode local"):
        need_local(settings(mode="remote"))


def test_a_port_that_somebody_else_has_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        [issue] = unfit(settings(port=port), Settings())
        assert issue.path == "gateway.port"
        assert str(port) in issue.message
        assert unfit(settings(port=port), settings(port=port)) == ()  # the gateway's own
    assert unfit(settings(port=port), Settings()) == ()


def test_without_addresses_no_port_is_tried():
    [issue] = unfit(settings(port=1, bind="custom"), Settings())
    assert issue.path == "gateway.bind"
