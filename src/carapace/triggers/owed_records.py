"""SQL of the runs that hooks began, as functions over `Tx`."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.agent.types import Submission
from carapace.ids import RunId
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["OwedRun", "again", "forget", "forget_ended", "keep", "owed"]

_KEEP: Final = """
INSERT INTO hook_runs (run_id, submission, starts, kept_at_ms)
VALUES (:run_id, :submission, :starts, :kept_at_ms)
ON CONFLICT (run_id) DO NOTHING
"""
_FORGET: Final = "DELETE FROM hook_runs WHERE run_id = ?"
_FORGET_ENDED: Final = """
DELETE FROM hook_runs WHERE kept_at_ms < :before_ms OR EXISTS (
  SELECT 1 FROM turns
  WHERE turns.run_id = hook_runs.run_id AND turns.state NOT IN ('accepted', 'cut')
)
"""
_OWED: Final = """
SELECT hook_runs.run_id, hook_runs.submission, hook_runs.starts, hook_runs.kept_at_ms
FROM hook_runs LEFT JOIN turns ON turns.run_id = hook_runs.run_id
WHERE turns.run_id IS NULL OR turns.state = 'cut'
ORDER BY hook_runs.kept_at_ms, hook_runs.run_id LIMIT :max_rows
"""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Submission).decode


class OwedRun(Value, frozen=True):
    """A run that a restart cut, or that never began.

    Attributes:
        submission: What was asked.
        starts: How often it was begun.
        kept_at_ms: When it came in.
    """

    submission: Submission
    starts: int
    kept_at_ms: int


def keep(tx: Tx, submission: Submission, *, kept_at_ms: int, starts: int = 1) -> None:
    """Write down what was asked, before it is begun; once for each run id."""
    tx.execute(
        _KEEP,
        {
            "run_id": submission.run_id,
            "submission": _ENCODE(submission).decode(),
            "starts": starts,
            "kept_at_ms": kept_at_ms,
        },
    )


def forget(tx: Tx, run_id: RunId) -> None:
    """Nothing is owed for that run any more."""
    tx.execute(_FORGET, (run_id,))


def forget_ended(tx: Tx, *, before_ms: int) -> int:
    """Let go of runs that have ended by themselves, and of those kept before `before_ms`."""
    return tx.execute(_FORGET_ENDED, {"before_ms": before_ms})


def owed(tx: Tx, max_rows: int = 1_000) -> list[OwedRun]:
    """Runs that were cut or never began, the oldest first."""
    return [
        OwedRun(_DECODE(row["submission"]), row["starts"], row["kept_at_ms"])
        for row in tx.all(_OWED, {"max_rows": max_rows})
    ]


def again(tx: Tx, run: OwedRun, submission: Submission) -> None:
    """The same is begun again as `submission`, whose run id is new."""
    forget(tx, run.submission.run_id)
    keep(tx, submission, kept_at_ms=run.kept_at_ms, starts=run.starts + 1)
