"""Jobs on the wire: absent rather than null, whole numbers, kinds as tags."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.cron import (
    AgentTurn,
    AtSchedule,
    CronAdd,
    CronEvent,
    CronJob,
    CronJobState,
    CronPatch,
    CronSchedule,
    CronStatus,
    EverySchedule,
    SystemEvent,
)


def wire(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_schedules_and_payloads_carry_their_kind():
    assert wire(AtSchedule(5)) == {"kind": "at", "atMs": 5}
    assert wire(EverySchedule(5)) == {"kind": "every", "everyMs": 5}
    assert wire(CronSchedule("* * * * *", "UTC")) == {
        "kind": "cron",
        "expr": "* * * * *",
        "tz": "UTC",
    }
    assert wire(SystemEvent("x")) == {"kind": "systemEvent", "text": "x"}
    assert wire(AgentTurn(message="m", deliver=False)) == {
        "kind": "agentTurn",
        "message": "m",
        "deliver": False,
    }


def test_a_job_has_what_native_decoders_need():
    job = CronJob(
        id="i",
        name="n",
        enabled=False,
        created_at_ms=1,
        updated_at_ms=2,
        schedule=AtSchedule(3),
        session_target="main",
        wake_mode="now",
        payload=SystemEvent("x"),
        state=CronJobState(),
    )
    assert list(wire(job)) == [  # type: ignore[call-overload]
        "id", "name", "enabled", "createdAtMs", "updatedAtMs", "schedule", "sessionTarget",
        "wakeMode", "payload", "state",
    ]  # fmt: skip
    assert wire(CronStatus(enabled=True, store_path="p", jobs=0, next_wake_at_ms=None)) == {
        "enabled": True,
        "storePath": "p",
        "jobs": 0,
        "nextWakeAtMs": None,
    }
    assert wire(CronEvent(job_id="j", action="removed")) == {"jobId": "j", "action": "removed"}


@pytest.mark.parametrize(
    "more",
    [{"surprise": 1}, {"name": ""}, {"schedule": {"everyMs": 0}}, {"payload": {"text": "x"}}],
)
def test_what_does_not_fit_is_refused(more: dict[str, object]):
    asked = {"name": "n", "schedule": {"everyMs": 1}, "payload": {"kind": "systemEvent"}, **more}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(asked, CronAdd)


def test_a_patch_tells_absent_from_null():
    assert msgspec.convert({}, CronPatch).agent_id is msgspec.UNSET
    assert msgspec.convert({"agentId": None}, CronPatch).agent_id is None
