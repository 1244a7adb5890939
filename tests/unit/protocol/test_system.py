"""Signs of life on the wire."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.system import HeartbeatEvent, WakeParams


def test_a_heartbeat_has_its_time_and_status():
    told = msgspec.to_builtins(HeartbeatEvent(ts=5, status="ok-token", has_media=False))
    assert told == {"ts": 5, "status": "ok-token", "hasMedia": False}


@pytest.mark.parametrize(
    "params", [{}, {"mode": "now"}, {"mode": "now", "text": ""}, {"text": "x"}]
)
def test_a_wake_needs_mode_and_text(params: dict[str, str]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(params, WakeParams)
