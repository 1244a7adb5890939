"""How a job stands after a run, and where a failing one rests (pure)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from carapace.protocol.cron import AtSchedule
from carapace.triggers.cron.schedule import MIN_GAP_MS, next_slot
from carapace.triggers.cron.types import Job, JobRun, RunEnd

__all__ = ["AT_RETRIES", "after_claim", "after_run", "backoff_ms", "is_done_with"]

AT_RETRIES: Final = 3
"""How often a job that runs once is tried again after a failure."""
_FIRST_BACKOFF_MS: Final = 30_000
_MAX_BACKOFF_MS: Final = 3_600_000
_MAX_DOUBLINGS: Final = 10


def after_claim(job: Job, now_ms: int) -> int | None:
    """When a job that starts now is due next; slots that are past by then are left out."""
    slot_ms = job.state.next_run_at_ms or now_ms
    if isinstance(job.spec.schedule, AtSchedule):
        return None
    after_ms = max(now_ms, slot_ms + MIN_GAP_MS - 1)
    return next_slot(job.spec.schedule, after_ms=after_ms, anchor_ms=job.created_at_ms)


def after_run(job: Job, run: JobRun, end: RunEnd, now_ms: int) -> Job:
    """The job as it is once `run` has ended.

    Args:
        job: As it is now; somebody may have changed it during the run.
        run: The run.
        end: How it ended.
        now_ms: When.
    """
    errors = _errors(job, end)
    rest_until_ms = now_ms + backoff_ms(errors) if errors and not end.is_ours else None
    state = msgspec.structs.replace(
        job.state,
        running_at_ms=None,
        last_run_at_ms=run.started_at_ms,
        last_status=end.status,
        last_error=end.error,
        last_duration_ms=max(0, now_ms - run.started_at_ms),
        consecutive_errors=errors,
        backoff_until_ms=rest_until_ms,
    )
    ended = replace(job, state=state)
    if not job.enabled:
        return ended.with_next(None)
    if isinstance(job.spec.schedule, AtSchedule):
        return _after_once(ended, run)
    next_ms = state.next_run_at_ms
    if rest_until_ms is None or next_ms is None or next_ms >= rest_until_ms:
        return ended
    later_ms = next_slot(job.spec.schedule, after_ms=rest_until_ms - 1, anchor_ms=job.created_at_ms)
    return ended.with_next(later_ms)


def is_done_with(job: Job, end: RunEnd) -> bool:
    """Whether a job that ran once is to be forgotten."""
    is_once = isinstance(job.spec.schedule, AtSchedule)
    return is_once and end.status == "ok" and job.spec.delete_after_run is True


def backoff_ms(errors: int) -> int:
    """How long a job rests after so many failures in a row: 30 s, doubling, an hour at most."""
    return min(_MAX_BACKOFF_MS, _FIRST_BACKOFF_MS * 2 ** min(errors - 1, _MAX_DOUBLINGS))


def _after_once(job: Job, run: JobRun) -> Job:
    """Once it has run there is nothing more to do; a failure is tried again a few times."""
    state = job.state
    is_kept = not run.is_forced or state.last_status != "ok"
    if state.next_run_at_ms is not None and is_kept:
        return job  # its moment is still to come, or it was given another one while it ran
    is_failed = state.last_status == "error" and state.backoff_until_ms is not None
    if is_failed and state.consecutive_errors <= AT_RETRIES:
        return job.with_next(state.backoff_until_ms)
    return replace(job.with_next(None), enabled=False)


def _errors(job: Job, end: RunEnd) -> int:
    """Failures in a row, with this end."""
    if end.is_ours:
        return job.state.consecutive_errors
    return job.state.consecutive_errors + 1 if end.status == "error" else 0
