"""SQL of the registry of sub-agents. Functions over `Tx`, to be composed."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from carapace.channels.types import Target
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import Provenance
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "Cleanup",
    "SubagentRow",
    "announced",
    "due",
    "insert",
    "owed",
    "prune",
    "remove",
    "try_again",
]

Cleanup = Literal["keep", "delete"]
_COLUMNS: Final = (
    "run_id, parent_key, parent_run_id, shown_key, child_key, parent_agent_id, label, task,"
    " cleanup, target, provenance, created_at_ms, attempts"
)
_INSERT: Final = f"""
INSERT INTO subagents ({_COLUMNS}) VALUES (:run_id, :parent_key, :parent_run_id, :shown_key,
  :child_key, :parent_agent_id, :label, :task, :cleanup, :target, :provenance, :created_at_ms,
  :attempts)
"""  # noqa: S608 - our own column names
_OWED: Final = (
    f"SELECT {_COLUMNS} FROM subagents"  # noqa: S608 - our own column names
    " WHERE announced_at_ms IS NULL ORDER BY created_at_ms, run_id LIMIT ?"
)
_DUE: Final = """
SELECT subagents.child_key FROM subagents JOIN sessions ON sessions.key = subagents.child_key
WHERE subagents.announced_at_ms <= :before_ms AND sessions.updated_at_ms <= :before_ms
ORDER BY subagents.announced_at_ms, subagents.run_id LIMIT :limit
"""
_MAX_OWED: Final = 1_000
_TARGET: Final = msgspec.json.Decoder(Target)
_PROVENANCE: Final = msgspec.json.Decoder(Provenance)


class SubagentRow(Value, frozen=True, kw_only=True):
    """A sub-agent.

    Attributes:
        run_id: Its run.
        parent_key: The conversation that hears how it ended.
        parent_run_id: The turn that asked for it.
        shown_key: What clients call that conversation.
        child_key: Its own session.
        parent_agent_id: Whose conversation it is.
        label: What the agent called it.
        task: What it was to do.
        cleanup: What becomes of its session in the end.
        target: Where the parent's answer goes besides the clients that watch.
        provenance: Whose words led to it.
        attempts: How many turns were begun to tell its end.
    """

    run_id: RunId
    parent_key: SessionKey
    parent_run_id: RunId
    shown_key: str
    child_key: SessionKey
    parent_agent_id: AgentId
    label: str | None
    task: str
    cleanup: Cleanup
    target: Target | None
    provenance: Provenance
    created_at_ms: int
    attempts: int = 0


def insert(tx: Tx, row: SubagentRow) -> None:
    """Write down that a sub-agent begins."""
    target = None if row.target is None else msgspec.json.encode(row.target).decode()
    tx.execute(
        _INSERT,
        {
            "run_id": row.run_id,
            "parent_key": row.parent_key,
            "parent_run_id": row.parent_run_id,
            "shown_key": row.shown_key,
            "child_key": row.child_key,
            "parent_agent_id": row.parent_agent_id,
            "label": row.label,
            "task": row.task,
            "cleanup": row.cleanup,
            "target": target,
            "provenance": msgspec.json.encode(row.provenance).decode(),
            "created_at_ms": row.created_at_ms,
            "attempts": row.attempts,
        },
    )


def owed(tx: Tx) -> list[SubagentRow]:
    """Those whose end was not told, oldest first, at most a thousand."""
    return [_row_of(row) for row in tx.all(_OWED, (_MAX_OWED,))]


def try_again(tx: Tx, row: SubagentRow) -> SubagentRow:
    """Count one more turn that is begun to tell its end; before that turn."""
    tx.execute("UPDATE subagents SET attempts = attempts + 1 WHERE run_id = ?", (row.run_id,))
    return replace(row, attempts=row.attempts + 1)


def announced(tx: Tx, run_id: RunId, *, now_ms: int) -> None:
    """Nothing is owed any more."""
    tx.execute(
        "UPDATE subagents SET announced_at_ms = ? WHERE run_id = ? AND announced_at_ms IS NULL",
        (now_ms, run_id),
    )


def due(tx: Tx, before_ms: int, *, limit: int) -> list[SessionKey]:
    """Sessions that are still there, were told of and last spoken in until `before_ms`."""
    rows = tx.all(_DUE, {"before_ms": before_ms, "limit": limit})
    return [SessionKey(row["child_key"]) for row in rows]


def remove(tx: Tx, run_id: RunId) -> None:
    """Forget one that never began."""
    tx.execute("DELETE FROM subagents WHERE run_id = ?", (run_id,))


def prune(tx: Tx, before_ms: int) -> int:
    """Forget those whose end was told before `before_ms`; how many."""
    return tx.execute("DELETE FROM subagents WHERE announced_at_ms < ?", (before_ms,))


def _row_of(row: Row) -> SubagentRow:
    target = row["target"]
    return SubagentRow(
        run_id=RunId(row["run_id"]),
        parent_key=SessionKey(row["parent_key"]),
        parent_run_id=RunId(row["parent_run_id"]),
        shown_key=row["shown_key"],
        child_key=SessionKey(row["child_key"]),
        parent_agent_id=AgentId(row["parent_agent_id"]),
        label=row["label"],
        task=row["task"],
        cleanup=row["cleanup"],
        target=None if target is None else _TARGET.decode(target),
        provenance=_PROVENANCE.decode(row["provenance"]),
        created_at_ms=row["created_at_ms"],
        attempts=row["attempts"],
    )
