"""What clients send becomes a specification, or is refused in words they know."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.errors import Failed, GatewayError, Refused
from carapace.protocol.cron import (
    AgentTurn,
    AtSchedule,
    CronAdd,
    CronJobState,
    CronPatch,
    CronSchedule,
    EverySchedule,
    SystemEvent,
)
from carapace.provenance import OWNER
from carapace.triggers.cron.edit import changed, spec_of
from carapace.triggers.cron.types import CronSpec, Job

TEXT = {"kind": "systemEvent", "text": "x"}
TURN = {"kind": "agentTurn", "message": "hello"}
EVERY = {"kind": "every", "everyMs": 1_000}


def spec(**more: Any) -> CronSpec:
    asked = {"name": "n", "schedule": EVERY, "payload": TEXT, **more}
    return spec_of(msgspec.convert(asked, CronAdd))


def patched(before: CronSpec, **changes: Any) -> Job:
    job = Job(
        job_id="j",
        spec=before,
        provenance=OWNER,
        enabled=True,
        created_at_ms=0,
        updated_at_ms=0,
        revision=0,
        state=CronJobState(),
    )
    return changed(job, msgspec.convert(changes, CronPatch))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "at", "atMs": 5}, AtSchedule(5)),
        ({"at": "2030-01-01T00:00:00Z"}, AtSchedule(1_893_456_000_000)),
        ({"atMs": "2030-01-01"}, AtSchedule(1_893_456_000_000)),
        ({"everyMs": 5, "anchorMs": 7}, EverySchedule(5, 7)),
        ({"expr": "0 5 * * *"}, CronSchedule("0 5 * * *")),
        ({"kind": "cron", "expr": "0 5 * * *", "tz": ""}, CronSchedule("0 5 * * *")),
    ],
)
def test_a_schedule_says_its_kind_by_its_fields(given: dict[str, Any], expected: object):
    assert spec(schedule=given).schedule == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "at /schedule/kind: must be equal to constant"),
        ({"kind": "at"}, "must have required property 'atMs'"),
        ({"kind": "at", "at": "soon"}, "must have required property 'atMs'"),
        ({"kind": "every"}, "must have required property 'everyMs'"),
        ({"kind": "cron"}, "must have required property 'expr'"),
        ({"kind": "at", "atMs": 1, "everyMs": 1}, "unexpected property 'everyMs'"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(given: dict[str, Any], text: str):
    with pytest.raises(Refused, match=text) as refused:
        spec(schedule=given)
    assert refused.value.message.startswith("invalid cron.add params: ")


def test_an_expression_that_makes_no_sense_fails_as_in_the_node_gateway():
    with pytest.raises(Failed, match=r"TypeError: CronPattern: .*\('nope'\)"):
        spec(schedule={"kind": "cron", "expr": "nope"})


def test_the_target_follows_from_the_payload_and_must_fit_it():
    assert spec().session_target == "main"
    assert spec(payload=TURN).session_target == "isolated"
    with pytest.raises(Failed, match=r'main cron jobs require payload.kind="systemEvent"'):
        spec(payload=TURN, sessionTarget="main")
    with pytest.raises(Failed, match=r'isolated cron jobs require payload.kind="agentTurn"'):
        spec(sessionTarget="isolated")


@pytest.mark.parametrize(
    "more",
    [
        {"name": "  "},
        {"payload": {"kind": "systemEvent"}},
        {"payload": {"kind": "systemEvent", "text": " "}},
        {"payload": {"kind": "agentTurn", "text": "x"}},
    ],
)
def test_blanks_are_refused(more: dict[str, Any]):
    with pytest.raises(GatewayError):
        spec(**more)


def test_words_are_trimmed_and_older_names_are_known():
    made = spec(
        name=" n ",
        description="  ",
        agentId=" Main ",
        payload={**TURN, "provider": "loop", "deliver": False},
    )
    assert (made.name, made.description, made.agent_id) == ("n", None, "main")
    assert made.payload == AgentTurn(message="hello", channel="loop", deliver=False)
    both = spec(payload={**TURN, "provider": "old", "channel": "new"}).payload
    assert isinstance(both, AgentTurn)
    assert both.channel == "new"


def test_a_patch_of_a_payload_keeps_what_it_does_not_name():
    before = spec(payload={**TURN, "deliver": True, "to": "me"})
    payload = {"kind": "agentTurn", "message": "other"}
    after = patched(before, payload=payload, description=" d ", name=" m ", agentId="x")
    assert after.spec.payload == AgentTurn(message="other", deliver=True, to="me")
    assert (after.spec.description, after.spec.name, after.spec.agent_id) == ("d", "m", "x")
    text = patched(spec(), payload={"kind": "systemEvent"})
    assert text.spec.payload == SystemEvent("x")


def test_a_patch_may_turn_a_job_into_another_kind():
    after = patched(spec(), payload=TURN, sessionTarget="isolated", schedule={"atMs": 5})
    assert after.spec.payload == AgentTurn(message="hello")
    assert after.spec.schedule == AtSchedule(5)
    with pytest.raises(Failed, match=r'payload.kind="agentTurn" requires message'):
        patched(spec(), payload={"kind": "agentTurn"}, sessionTarget="isolated")
    with pytest.raises(Failed, match="main cron jobs require"):
        patched(spec(), payload=TURN)


def test_a_patch_switches_a_job():
    assert not patched(spec(), enabled=False).enabled
    assert patched(spec(), wakeMode="now").enabled
