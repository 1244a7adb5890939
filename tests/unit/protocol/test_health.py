"""What health and status say: trouble shows only when there is some, numbers are whole."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.protocol.health import (
    HealthParams,
    HealthSnapshot,
    HeartbeatHealth,
    RecentSession,
    SessionsHealth,
)


def snapshot(**more: Any) -> dict[str, Any]:
    made = HealthSnapshot(
        ok=True,
        ts=1,
        duration_ms=0,
        channels={},
        channel_order=[],
        channel_labels={},
        heartbeat_seconds=0,
        default_agent_id="main",
        agents=[],
        sessions=SessionsHealth("p", 1, [RecentSession("agent:main:main", 5, 2)]),
        **more,
    )
    return msgspec.json.decode(msgspec.json.encode(made))


def test_a_healthy_snapshot_has_the_node_gateways_keys_and_no_other():
    assert list(snapshot()) == [
        "ok", "ts", "durationMs", "channels", "channelOrder", "channelLabels",
        "heartbeatSeconds", "defaultAgentId", "agents", "sessions",
    ]  # fmt: skip
    assert snapshot()["sessions"]["recent"] == [
        {"key": "agent:main:main", "updatedAt": 5, "age": 2}
    ]


def test_trouble_is_added():
    assert snapshot(degraded={"store": "full"})["degraded"] == {"store": "full"}
    assert snapshot(config_issue="broken")["configIssue"] == "broken"


def test_a_heartbeat_that_is_off_says_null():
    off = HeartbeatHealth(
        enabled=False, every="disabled", every_ms=None, prompt="", target="last", ack_max_chars=300
    )
    assert msgspec.json.decode(msgspec.json.encode(off))["everyMs"] is None


def test_unknown_params_of_health_are_ignored():
    assert msgspec.json.decode(b'{"probe":true,"x":1}', type=HealthParams).probe
