"""SQL of the turns: accept, finish, recover. Functions over `Tx`, to be composed."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.agent.types import CutRun, RunOutcome, RunState, Submission
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import OWNER, Provenance
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = ["TurnRow", "accept", "cut_owed", "cut_since", "find", "finish", "prune"]

_ACCEPT: Final = """
INSERT INTO turns (run_id, session_key, shown_key, session_id, agent_id, lane, source, provenance,
  state, accepted_at_ms)
VALUES (:run_id, :session_key, :shown_key, :session_id, :agent_id, :lane, :source, :provenance,
  'accepted', :accepted_at_ms)
"""
_FIND: Final = """
SELECT run_id, session_key, shown_key, session_id, agent_id, state, accepted_at_ms, provenance,
  outcome
FROM turns WHERE run_id = ?
"""
_FINISH: Final = """
UPDATE turns SET state = :state, ended_at_ms = :ended_at_ms, outcome = :outcome
WHERE run_id = :run_id AND state = 'accepted'
"""
_CUT: Final = """
UPDATE turns SET state = 'cut', ended_at_ms = :now_ms, outcome = :outcome
WHERE state = 'accepted' AND NOT EXISTS (
  SELECT 1 FROM inbox WHERE inbox.run_id = turns.run_id AND inbox.ended_at_ms IS NULL
)
"""
_OWED_KEYS: Final = """
SELECT DISTINCT session_key FROM turns
WHERE state = 'accepted' AND NOT EXISTS (
  SELECT 1 FROM inbox WHERE inbox.run_id = turns.run_id AND inbox.ended_at_ms IS NULL
)
"""
_CUT_SINCE: Final = """
SELECT run_id, session_key, shown_key, outcome FROM turns
WHERE state = 'cut' AND ended_at_ms >= ? ORDER BY ended_at_ms DESC, run_id DESC LIMIT ?
"""
_MAX_CUT: Final = 1_000
_PRUNE: Final = "DELETE FROM turns WHERE ended_at_ms IS NOT NULL AND ended_at_ms < ?"
_PROVENANCE: Final = msgspec.json.Decoder(Provenance)
_OUTCOME: Final = msgspec.json.Decoder(RunOutcome)


class TurnRow(Value, frozen=True):
    """A turn as it stands on disk; `outcome` is None while an answer is owed."""

    run_id: RunId
    session_key: SessionKey
    shown_key: str
    agent_id: AgentId
    session_id: str
    accepted_at_ms: int
    provenance: Provenance
    outcome: RunOutcome | None


def accept(tx: Tx, submission: Submission, *, session_id: str, now_ms: int) -> None:
    """Write down that `submission` is owed an answer; its run id must be new (`find`)."""
    tx.execute(
        _ACCEPT,
        {
            "run_id": submission.run_id,
            "session_key": submission.session_key,
            "shown_key": submission.shown_key,
            "session_id": session_id,
            "agent_id": submission.agent_id,
            "lane": submission.lane,
            "source": submission.source.value,
            "provenance": msgspec.json.encode(submission.provenance).decode(),
            "accepted_at_ms": now_ms,
        },
    )


def find(tx: Tx, run_id: RunId) -> TurnRow | None:
    """The turn of that id."""
    row = tx.one(_FIND, (run_id,))
    if row is None:
        return None
    return TurnRow(
        run_id=RunId(row["run_id"]),
        session_key=SessionKey(row["session_key"]),
        shown_key=row["shown_key"],
        agent_id=AgentId(row["agent_id"]),
        session_id=row["session_id"],
        accepted_at_ms=row["accepted_at_ms"],
        provenance=_provenance(row),
        outcome=_outcome(row),
    )


def finish(tx: Tx, run_id: RunId, outcome: RunOutcome) -> bool:
    """Set a turn's outcome; False if it had one, which then stays."""
    changed = tx.execute(
        _FINISH,
        {
            "run_id": run_id,
            "state": outcome.state.value,
            "ended_at_ms": outcome.ended_at_ms,
            "outcome": encode_outcome(outcome),
        },
    )
    return changed == 1


def cut_owed(tx: Tx, *, error: str, now_ms: int) -> tuple[SessionKey, ...]:
    """Mark every turn that is owed an answer as cut; the sessions it concerns.

    Turns of inbox rows that have not ended are left: those begin again.
    """
    keys = tuple(SessionKey(row["session_key"]) for row in tx.all(_OWED_KEYS))
    outcome = RunOutcome(
        state=RunState.CUT, status="error", summary=error, ended_at_ms=now_ms, error=error
    )
    tx.execute(_CUT, {"now_ms": now_ms, "outcome": encode_outcome(outcome)})
    return keys


def cut_since(tx: Tx, since_ms: int) -> tuple[CutRun, ...]:
    """Turns that were cut at or after `since_ms`, oldest first, at most the newest thousand."""
    found: list[CutRun] = []
    for row in reversed(tx.all(_CUT_SINCE, (since_ms, _MAX_CUT))):
        outcome = _outcome(row)
        found.append(
            CutRun(
                run_id=RunId(row["run_id"]),
                session_key=SessionKey(row["session_key"]),
                shown_key=row["shown_key"],
                error=(outcome.error if outcome else None) or "",
            )
        )
    return tuple(found)


def prune(tx: Tx, before_ms: int) -> int:
    """Forget turns that ended before `before_ms`; how many."""
    return tx.execute(_PRUNE, (before_ms,))


def encode_outcome(outcome: RunOutcome) -> str:
    """JSON without the prompt report: it is large and says nothing about the answer."""
    result = outcome.result
    if result is not None and result.meta.system_prompt_report is not None:
        meta = msgspec.structs.replace(result.meta, system_prompt_report=None)
        result = msgspec.structs.replace(result, meta=meta)
        outcome = msgspec.structs.replace(outcome, result=result)
    return msgspec.json.encode(outcome).decode()


def _provenance(row: Row) -> Provenance:
    """Turns from before provenance was kept were all the owner's."""
    return OWNER if row["provenance"] is None else _PROVENANCE.decode(row["provenance"])


def _outcome(row: Row) -> RunOutcome | None:
    return _OUTCOME.decode(row["outcome"]) if row["outcome"] is not None else None
