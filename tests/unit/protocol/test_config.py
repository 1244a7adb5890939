"""Writes of the configuration take what the Node gateway's clients send, and answer as it does."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.config import (
    ConfigChange,
    ConfigSet,
    ConfigWritten,
    RestartReport,
    RestartSentinel,
    SentinelReport,
    SentinelStats,
)


def decoded(struct, **given):
    return msgspec.json.decode(msgspec.json.encode(given), type=struct)


def test_params_are_those_of_the_protocol():
    assert decoded(ConfigSet, raw="{}").base_hash is None
    change = decoded(
        ConfigChange, raw="{}", baseHash="h", sessionKey="main", note="n", restartDelayMs=0
    )
    assert (change.base_hash, change.session_key, change.restart_delay_ms) == ("h", "main", 0)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"raw": ""},
        {"raw": "{}", "baseHash": ""},
        {"raw": "{}", "restartDelayMs": -1},
        {"raw": "{}", "restartDelayMs": 1.5},
        {"raw": "{}", "note": "x" * 4_001},
        {"raw": "{}", "more": 1},
    ],
)
def test_other_params_are_refused(given):
    with pytest.raises(msgspec.ValidationError):
        decoded(ConfigChange, **given)


def test_an_answer_without_a_restart_says_nothing_of_one():
    answer = ConfigWritten(ok=True, path="/c", config={})
    assert msgspec.to_builtins(answer) == {"ok": True, "path": "/c", "config": {}}


def test_a_restart_and_its_sentinel_have_the_recorded_fields():
    answer = ConfigWritten(
        ok=True,
        path="/c",
        config={},
        restart=RestartReport(
            ok=True, pid=1, signal="SIGUSR1", delay_ms=0, reason="config.patch", mode="emit"
        ),
        sentinel=SentinelReport(
            path="/s",
            payload=RestartSentinel(
                kind="config-apply",
                status="ok",
                ts=1,
                message=None,
                doctor_hint="d",
                stats=SentinelStats(mode="config.patch", root="/c"),
            ),
        ),
    )
    built = msgspec.to_builtins(answer)
    assert set(built["restart"]) == {"ok", "pid", "signal", "delayMs", "reason", "mode"}
    payload = built["sentinel"]["payload"]
    assert set(payload) == {"kind", "status", "ts", "message", "doctorHint", "stats"}
    assert payload["message"] is None
