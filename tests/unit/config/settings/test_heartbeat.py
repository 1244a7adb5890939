"""Heartbeats are set as in the Node gateway."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.config.settings.heartbeat import ActiveHours, HeartbeatSettings


def test_everything_may_be_left_out():
    found = msgspec.convert({"activeHours": {"start": "08:00", "end": "24:00"}}, HeartbeatSettings)
    assert found.active_hours == ActiveHours("08:00", "24:00")
    assert (found.every, found.prompt, found.target, found.to, found.ack_max_chars) == (None,) * 5


@pytest.mark.parametrize(
    "bad",
    [
        {"every": "soon"},
        {"every": "-5m"},
        {"ackMaxChars": -1},
        {"activeHours": {"start": "8"}},
        {"activeHours": {"end": "24:30"}},
    ],
)
def test_what_makes_no_sense_is_refused(bad: dict[str, Any]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, HeartbeatSettings)
