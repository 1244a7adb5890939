"""How a job stands after a run."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from carapace.protocol.cron import AtSchedule, CronJobState, EverySchedule, Schedule, SystemEvent
from carapace.provenance import OWNER
from carapace.triggers.cron.outlook import (
    AT_RETRIES,
    after_claim,
    after_run,
    backoff_ms,
    is_done_with,
)
from carapace.triggers.cron.types import CronSpec, Job, JobRun, RunEnd

OK, ERROR = RunEnd(status="ok"), RunEnd(status="error", error="broken")
RUN = JobRun(job_id="j", slot_ms=60_000, is_forced=False, starts=1, started_at_ms=60_000)
MINUTE = EverySchedule(60_000)


def job(schedule: Schedule = MINUTE, *, deletes: bool = False, **state: Any) -> Job:
    spec = CronSpec(
        name="j",
        schedule=schedule,
        session_target="main",
        wake_mode="now",
        payload=SystemEvent("x"),
        delete_after_run=deletes,
    )
    return Job(
        job_id="j",
        spec=spec,
        provenance=OWNER,
        enabled=True,
        created_at_ms=0,
        updated_at_ms=0,
        revision=0,
        state=CronJobState(**state),
    )


def test_slots_that_passed_are_left_out():
    assert after_claim(job(next_run_at_ms=60_000), 60_000) == 120_000
    assert after_claim(job(next_run_at_ms=60_000), 310_000) == 360_000
    assert after_claim(job(AtSchedule(5), next_run_at_ms=5), 60_000) is None


def test_a_job_starts_at_most_once_a_second():
    often = job(EverySchedule(10), next_run_at_ms=1_000)
    assert after_claim(often, 1_000) == 2_000


def test_success_clears_what_failed():
    after = after_run(job(next_run_at_ms=120_000, consecutive_errors=2), RUN, OK, 61_000)
    assert after.state == CronJobState(
        next_run_at_ms=120_000, last_run_at_ms=60_000, last_status="ok", last_duration_ms=1_000
    )


def test_failures_in_a_row_make_a_job_rest():
    failed = after_run(job(next_run_at_ms=120_000, consecutive_errors=4), RUN, ERROR, 61_000)
    assert failed.state.consecutive_errors == 5
    assert failed.state.last_error == "broken"
    rest_ms = failed.state.backoff_until_ms
    assert rest_ms == 61_000 + 480_000
    # The first slot not before the rest is over.
    assert failed.state.next_run_at_ms == 600_000
    rare = after_run(job(next_run_at_ms=9_000_000), RUN, ERROR, 61_000)
    assert rare.state.next_run_at_ms == 9_000_000


@pytest.mark.parametrize(
    ("errors", "seconds"), [(1, 30), (2, 60), (7, 1_920), (8, 3_600), (99, 3_600)]
)
def test_rests_double_up_to_an_hour(errors: int, seconds: int):
    assert backoff_ms(errors) == seconds * 1_000


def test_a_job_that_runs_once_is_switched_off_when_it_has():
    once = job(AtSchedule(60_000))
    assert not after_run(once, RUN, OK, 61_000).enabled
    assert not after_run(once, RUN, RunEnd(status="skipped"), 61_000).enabled
    assert is_done_with(job(AtSchedule(1), deletes=True), OK)
    assert not is_done_with(job(AtSchedule(1), deletes=True), ERROR)
    assert not is_done_with(job(deletes=True), OK)


def test_a_job_that_runs_once_is_tried_again_a_few_times():
    now = job(AtSchedule(60_000))
    for number in range(AT_RETRIES):
        now = after_run(now, RUN, ERROR, 61_000)
        assert now.enabled
        assert now.state.next_run_at_ms == 61_000 + backoff_ms(number + 1)
        now = now.with_next(None)
    assert not after_run(now, RUN, ERROR, 61_000).enabled


def test_a_moment_that_was_changed_during_the_run_is_kept():
    moved = job(AtSchedule(900_000), next_run_at_ms=900_000)
    assert after_run(moved, RUN, OK, 61_000).state.next_run_at_ms == 900_000
    by_hand = replace(RUN, is_forced=True)
    assert not after_run(moved, by_hand, OK, 61_000).enabled
    assert after_run(moved, by_hand, ERROR, 61_000).state.next_run_at_ms == 900_000


def test_a_job_that_was_switched_off_during_the_run_stays_so():
    off = replace(job(next_run_at_ms=None), enabled=False)
    after = after_run(off, RUN, ERROR, 61_000)
    assert (after.enabled, after.state.next_run_at_ms) == (False, None)


def test_an_error_of_the_gateways_own_makes_no_job_rest():
    cut = RunEnd(status="error", error="cut", is_ours=True)
    after = after_run(job(next_run_at_ms=120_000, consecutive_errors=2), RUN, cut, 61_000)
    assert (after.state.next_run_at_ms, after.state.backoff_until_ms) == (120_000, None)
    assert (after.state.last_status, after.state.consecutive_errors) == ("error", 2)
    once = after_run(job(AtSchedule(60_000)), RUN, cut, 61_000)
    assert (once.enabled, once.state.next_run_at_ms) == (False, None)
