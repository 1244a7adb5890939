"""The small payloads travel as clients expect them."""

from __future__ import annotations

import msgspec

from carapace.protocol.notices import Challenge, ShutdownNotice, Tick


def test_each_has_the_node_gateways_fields():
    assert msgspec.json.encode(Challenge("n", 5)) == b'{"nonce":"n","ts":5}'
    assert msgspec.json.encode(Tick(5)) == b'{"ts":5}'


def test_a_shutdown_says_when_to_come_back_only_if_it_comes_back():
    assert msgspec.json.encode(ShutdownNotice("stopping")) == b'{"reason":"stopping"}'
    back = msgspec.json.decode(msgspec.json.encode(ShutdownNotice("restart", 1500)))
    assert back == {"reason": "restart", "restartExpectedMs": 1500}
