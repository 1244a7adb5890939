"""SQL of jobs and of the ledger of their slots, as functions over `Tx`."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.protocol.cron import CronJobState, CronRunEntry
from carapace.provenance import Provenance
from carapace.store.ports import Row, Tx
from carapace.triggers.cron.types import CronSpec, Job, JobRun, RunEnd

__all__ = [
    "KEEP_RUNS",
    "begin_again",
    "claim",
    "count",
    "due",
    "ended_runs",
    "find",
    "finish",
    "force",
    "insert",
    "is_taken",
    "latest_start_ms",
    "listed",
    "next_due_ms",
    "owed",
    "remove",
    "replace_job",
    "set_next",
    "waiting",
]

KEEP_RUNS: Final = 200
"""Ended runs kept of each job."""

_COLUMNS: Final = """job_id, spec, provenance, enabled, created_at_ms, updated_at_ms, revision,
  next_at_ms, running_at_ms, last_run_at_ms, last_status, last_error, last_duration_ms,
  consecutive_errors, backoff_until_ms"""
_INSERT: Final = """
INSERT INTO cron_jobs (job_id, spec, provenance, needs_turn, enabled, created_at_ms, updated_at_ms,
  next_at_ms)
VALUES (:job_id, :spec, :provenance, :needs_turn, :enabled, :now_ms, :now_ms, :next_at_ms)
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM cron_jobs WHERE job_id = ?"  # noqa: S608 - our own text
_LIST: Final = f"""
SELECT {_COLUMNS} FROM cron_jobs WHERE enabled = 1 OR :with_disabled
ORDER BY coalesce(next_at_ms, 0), created_at_ms, job_id LIMIT :max_rows
"""  # noqa: S608 - our own text
_DUE: Final = f"""
SELECT {_COLUMNS} FROM cron_jobs
WHERE needs_turn = :needs_turn AND next_at_ms IS NOT NULL AND running_at_ms IS NULL
  AND next_at_ms <= :now_ms
ORDER BY next_at_ms LIMIT :max_rows
"""  # noqa: S608 - our own text
_NEXT_DUE: Final = """
SELECT next_at_ms FROM cron_jobs
WHERE needs_turn = ? AND next_at_ms IS NOT NULL AND running_at_ms IS NULL
ORDER BY next_at_ms LIMIT 1
"""
_NEXT_WAKE: Final = "SELECT min(next_at_ms) AS at_ms FROM cron_jobs WHERE next_at_ms IS NOT NULL"
_WAITING: Final = f"""
SELECT {_COLUMNS} FROM cron_jobs WHERE next_at_ms > :now_ms AND job_id > :after_id
ORDER BY job_id LIMIT :max_rows
"""  # noqa: S608 - our own text
_REPLACE: Final = """
UPDATE cron_jobs SET spec = :spec, needs_turn = :needs_turn, enabled = :enabled,
  updated_at_ms = :now_ms, revision = revision + 1, next_at_ms = :next_at_ms,
  consecutive_errors = 0, backoff_until_ms = NULL
WHERE job_id = :job_id AND revision = :revision
"""
_SET_NEXT: Final = """
UPDATE cron_jobs SET next_at_ms = :next_at_ms
WHERE job_id = :job_id AND revision = :revision AND next_at_ms = :was_ms
"""
_MOVE: Final = """
UPDATE cron_jobs SET next_at_ms = :next_at_ms, running_at_ms = :now_ms
WHERE job_id = :job_id AND revision = :revision AND next_at_ms = :slot_ms
  AND running_at_ms IS NULL
"""
_HOLD: Final = """
UPDATE cron_jobs SET running_at_ms = :now_ms WHERE job_id = :job_id AND running_at_ms IS NULL
"""
_LEDGER: Final = """
INSERT INTO cron_runs (job_id, slot_ms, is_forced, run_id, starts, state, started_at_ms)
VALUES (:job_id, :slot_ms, :is_forced, :run_id, :starts, 'owed', :started_at_ms)
ON CONFLICT DO NOTHING
"""
_LET_GO: Final = "UPDATE cron_jobs SET running_at_ms = NULL WHERE job_id = ?"
_AGAIN: Final = """
UPDATE cron_runs SET starts = :starts, run_id = :run_id
WHERE job_id = :job_id AND slot_ms = :slot_ms AND is_forced = :is_forced AND state = 'owed'
"""
_END: Final = """
UPDATE cron_runs SET state = 'ended', ended_at_ms = :now_ms, status = :status, error = :error,
  summary = :summary, next_at_ms = :next_at_ms
WHERE job_id = :job_id AND slot_ms = :slot_ms AND is_forced = :is_forced AND state = 'owed'
"""
_ENDED_JOB: Final = """
UPDATE cron_jobs SET running_at_ms = NULL, last_run_at_ms = :started_at_ms, last_status = :status,
  last_error = :error, last_duration_ms = :duration_ms, consecutive_errors = :errors,
  backoff_until_ms = :backoff_until_ms, next_at_ms = :next_at_ms, enabled = :enabled
WHERE job_id = :job_id
"""
_PRUNE: Final = """
DELETE FROM cron_runs WHERE job_id = :job_id AND state = 'ended' AND (slot_ms, is_forced) NOT IN (
  SELECT slot_ms, is_forced FROM cron_runs WHERE job_id = :job_id AND state = 'ended'
  ORDER BY ended_at_ms DESC, slot_ms DESC LIMIT :keep
)
"""
_OWED: Final = """
SELECT job_id, slot_ms, is_forced, starts, started_at_ms FROM cron_runs WHERE state = 'owed'
ORDER BY started_at_ms, job_id
"""
_ENDED: Final = """
SELECT job_id, ended_at_ms, status, error, summary, started_at_ms, next_at_ms FROM cron_runs
WHERE job_id = :job_id AND state = 'ended' ORDER BY ended_at_ms DESC, slot_ms DESC LIMIT :limit
"""
_ENCODE: Final = msgspec.json.Encoder().encode
_SPEC: Final = msgspec.json.Decoder(CronSpec)
_PROVENANCE: Final = msgspec.json.Decoder(Provenance)


def insert(tx: Tx, job: Job) -> None:
    """Write a new job down."""
    tx.execute(
        _INSERT,
        {
            "job_id": job.job_id,
            "spec": _ENCODE(job.spec).decode(),
            "provenance": _ENCODE(job.provenance).decode(),
            "needs_turn": job.needs_turn,
            "enabled": job.enabled,
            "now_ms": job.created_at_ms,
            "next_at_ms": job.state.next_run_at_ms,
        },
    )


def find(tx: Tx, job_id: str) -> Job | None:
    """The job of that id."""
    row = tx.one(_FIND, (job_id,))
    return None if row is None else _job(row)


def listed(tx: Tx, *, with_disabled: bool, max_rows: int) -> list[Job]:
    """Jobs, the next to run first."""
    rows = tx.all(_LIST, {"with_disabled": with_disabled, "max_rows": max_rows})
    return [_job(row) for row in rows]


def count(tx: Tx) -> tuple[int, int | None]:
    """How many jobs there are, and when the next is due."""
    row = tx.one("SELECT count(*) AS jobs FROM cron_jobs")
    wake = tx.one(_NEXT_WAKE)
    return (row["jobs"] if row else 0), (wake["at_ms"] if wake else None)


def due(tx: Tx, *, needs_turn: bool, now_ms: int, max_rows: int) -> list[Job]:
    """Jobs that are due and do not run, the longest due first."""
    values = {"needs_turn": needs_turn, "now_ms": now_ms, "max_rows": max_rows}
    return [_job(row) for row in tx.all(_DUE, values)]


def next_due_ms(tx: Tx, *, needs_turn: bool) -> int | None:
    """When the next job that does not run is due."""
    row = tx.one(_NEXT_DUE, (needs_turn,))
    return None if row is None else row["next_at_ms"]


def waiting(tx: Tx, *, now_ms: int, after_id: str, max_rows: int) -> list[Job]:
    """Jobs that are due later, in the order of their ids from `after_id` on."""
    values = {"now_ms": now_ms, "after_id": after_id, "max_rows": max_rows}
    return [_job(row) for row in tx.all(_WAITING, values)]


def replace_job(tx: Tx, job: Job, *, now_ms: int) -> bool:
    """Write down what a person changed; False if somebody else was faster, or it is gone."""
    changed = tx.execute(
        _REPLACE,
        {
            "job_id": job.job_id,
            "spec": _ENCODE(job.spec).decode(),
            "needs_turn": job.needs_turn,
            "enabled": job.enabled,
            "now_ms": now_ms,
            "next_at_ms": job.state.next_run_at_ms,
            "revision": job.revision,
        },
    )
    return changed == 1


def remove(tx: Tx, job_id: str) -> bool:
    """Forget a job and its ledger; False if there is none."""
    return tx.execute("DELETE FROM cron_jobs WHERE job_id = ?", (job_id,)) == 1


def set_next(tx: Tx, job: Job, next_at_ms: int | None) -> bool:
    """Make a job due at another time; False if it was changed or claimed meanwhile."""
    values = {
        "job_id": job.job_id,
        "revision": job.revision,
        "was_ms": job.state.next_run_at_ms,
        "next_at_ms": next_at_ms,
    }
    return tx.execute(_SET_NEXT, values) == 1


def claim(tx: Tx, job: Job, *, next_at_ms: int | None, now_ms: int) -> JobRun | None:
    """Take the slot a job is due for: it moves on, and a run is owed.

    Returns:
        The run; None if the job was changed or claimed meanwhile, or if that very slot was run
        before, as after a clock that went back.
    """
    slot_ms = job.state.next_run_at_ms
    if slot_ms is None:
        return None
    values = {
        "job_id": job.job_id,
        "revision": job.revision,
        "slot_ms": slot_ms,
        "next_at_ms": next_at_ms,
        "now_ms": now_ms,
    }
    if tx.execute(_MOVE, values) != 1:
        return None
    run = JobRun(
        job_id=job.job_id, slot_ms=slot_ms, is_forced=False, starts=1, started_at_ms=now_ms
    )
    if _owe(tx, run):
        return run
    tx.execute(_LET_GO, (job.job_id,))
    return None


def force(tx: Tx, job_id: str, *, now_ms: int) -> JobRun | None:
    """Owe a run that a person asked for; None if the job runs already, or is gone."""
    if tx.execute(_HOLD, {"job_id": job_id, "now_ms": now_ms}) != 1:
        return None
    slot_ms = now_ms
    while True:
        run = JobRun(job_id=job_id, slot_ms=slot_ms, is_forced=True, starts=1, started_at_ms=now_ms)
        if _owe(tx, run):
            return run
        slot_ms += 1


def is_taken(tx: Tx, job_id: str, slot_ms: int) -> bool:
    """Whether that slot of the schedule was claimed before."""
    sql = "SELECT 1 FROM cron_runs WHERE job_id = ? AND slot_ms = ? AND is_forced = 0"
    return tx.one(sql, (job_id, slot_ms)) is not None


def begin_again(tx: Tx, run: JobRun) -> None:
    """Note that a run that was cut is begun once more; `run` has the new number of starts."""
    tx.execute(
        _AGAIN,
        {
            "job_id": run.job_id,
            "slot_ms": run.slot_ms,
            "is_forced": run.is_forced,
            "starts": run.starts,
            "run_id": run.run_id,
        },
    )


def finish(tx: Tx, run: JobRun, end: RunEnd, job: Job, *, now_ms: int) -> bool:
    """End a run; `job` is how its job stands then. False if it had ended, which then stays."""
    state = job.state
    ended = tx.execute(
        _END,
        {
            "job_id": run.job_id,
            "slot_ms": run.slot_ms,
            "is_forced": run.is_forced,
            "now_ms": now_ms,
            "status": end.status,
            "error": end.error,
            "summary": end.summary,
            "next_at_ms": state.next_run_at_ms,
        },
    )
    if ended != 1:
        return False
    tx.execute(
        _ENDED_JOB,
        {
            "job_id": run.job_id,
            "started_at_ms": run.started_at_ms,
            "status": end.status,
            "error": end.error,
            "duration_ms": state.last_duration_ms,
            "errors": state.consecutive_errors,
            "backoff_until_ms": state.backoff_until_ms,
            "next_at_ms": state.next_run_at_ms,
            "enabled": job.enabled,
        },
    )
    tx.execute(_PRUNE, {"job_id": run.job_id, "keep": KEEP_RUNS})
    return True


def owed(tx: Tx) -> list[JobRun]:
    """Runs that have not ended, the oldest first; a job has one at most."""
    return [
        JobRun(
            job_id=row["job_id"],
            slot_ms=row["slot_ms"],
            is_forced=bool(row["is_forced"]),
            starts=row["starts"],
            started_at_ms=row["started_at_ms"],
        )
        for row in tx.all(_OWED)
    ]


def ended_runs(tx: Tx, job_id: str, *, limit: int) -> list[CronRunEntry]:
    """The newest runs of a job that have ended, the oldest of them first."""
    rows = tx.all(_ENDED, {"job_id": job_id, "limit": limit})
    return [
        CronRunEntry(
            ts=row["ended_at_ms"],
            job_id=row["job_id"],
            action="finished",
            status=row["status"],
            error=row["error"],
            summary=row["summary"],
            run_at_ms=row["started_at_ms"],
            duration_ms=max(0, row["ended_at_ms"] - row["started_at_ms"]),
            next_run_at_ms=row["next_at_ms"],
        )
        for row in reversed(rows)
    ]


def latest_start_ms(tx: Tx) -> int | None:
    """When a job last began, by the clock of then."""
    row = tx.one("SELECT max(last_run_at_ms) AS at_ms FROM cron_jobs")
    return None if row is None else row["at_ms"]


def _owe(tx: Tx, run: JobRun) -> bool:
    values = {
        "job_id": run.job_id,
        "slot_ms": run.slot_ms,
        "is_forced": run.is_forced,
        "run_id": run.run_id,
        "starts": run.starts,
        "started_at_ms": run.started_at_ms,
    }
    return tx.execute(_LEDGER, values) == 1


def _job(row: Row) -> Job:
    return Job(
        job_id=row["job_id"],
        spec=_SPEC.decode(row["spec"]),
        provenance=_PROVENANCE.decode(row["provenance"]),
        enabled=bool(row["enabled"]),
        created_at_ms=row["created_at_ms"],
        updated_at_ms=row["updated_at_ms"],
        revision=row["revision"],
        state=CronJobState(
            next_run_at_ms=row["next_at_ms"],
            running_at_ms=row["running_at_ms"],
            last_run_at_ms=row["last_run_at_ms"],
            last_status=row["last_status"],
            last_error=row["last_error"],
            last_duration_ms=row["last_duration_ms"],
            consecutive_errors=row["consecutive_errors"],
            backoff_until_ms=row["backoff_until_ms"],
        ),
    )
