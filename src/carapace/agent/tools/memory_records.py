"""SQL of the memory. Every function is bound to one agent: none reads across."""

from __future__ import annotations

from typing import Final

from carapace.agent.memory import records as vectors
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = ["Memory", "count", "delete", "get", "recent", "search", "write"]

_COLUMNS: Final = "m.name, m.text, m.updated_at_ms, m.authority, m.origin"
_WRITE: Final = """
INSERT INTO memories (agent_id, name, text, run_id, authority, origin, created_at_ms,
  updated_at_ms)
VALUES (:agent_id, :name, :text, :run_id, :authority, :origin, :now_ms, :now_ms)
ON CONFLICT (agent_id, name) DO UPDATE
SET text = excluded.text, run_id = excluded.run_id, authority = excluded.authority,
  origin = excluded.origin, updated_at_ms = excluded.updated_at_ms
RETURNING row_id
"""
_UNINDEX: Final = "DELETE FROM memories_words WHERE rowid = ?"
_INDEX: Final = "INSERT INTO memories_words (rowid, name, text) VALUES (?, ?, ?)"
_GET: Final = f"SELECT {_COLUMNS} FROM memories m WHERE m.agent_id = ? AND m.name = ?"  # noqa: S608 - constants only
_RECENT: Final = f"""
SELECT {_COLUMNS} FROM memories m WHERE m.agent_id = ?
ORDER BY m.updated_at_ms DESC, m.name LIMIT ?
"""  # noqa: S608 - constants only
_SEARCH: Final = f"""
SELECT {_COLUMNS} FROM memories_words w JOIN memories m ON m.row_id = w.rowid
WHERE memories_words MATCH :words AND m.agent_id = :agent_id
ORDER BY w.rank, m.row_id LIMIT :limit
"""  # noqa: S608 - constants only
_DELETE: Final = "DELETE FROM memories WHERE agent_id = ? AND name = ? RETURNING row_id"
_COUNT: Final = "SELECT COUNT(*) FROM memories WHERE agent_id = ?"


class Memory(Value, frozen=True):
    """One thing remembered, and what the words that had it written may cause."""

    name: str
    text: str
    updated_at_ms: int
    authority: Authority = Authority.OWNER
    origin: Origin = Origin.OPERATOR


def write(
    tx: Tx,
    agent_id: str,
    *,
    name: str,
    text: str,
    run_id: str,
    now_ms: int,
    provenance: Provenance = OWNER,
) -> None:
    """Keep `text` under `name`, in place of what was there."""
    row = tx.one(
        _WRITE,
        {
            "agent_id": agent_id,
            "name": name,
            "text": text,
            "run_id": run_id,
            "authority": int(provenance.authority),
            "origin": provenance.origin.value,
            "now_ms": now_ms,
        },
    )
    if row is None:
        raise LookupError("an upsert returned no row")
    tx.execute(_UNINDEX, (row["row_id"],))
    tx.execute(_INDEX, (row["row_id"], name, text))
    vectors.drop(tx, row["row_id"])


def get(tx: Tx, agent_id: str, name: str) -> Memory | None:
    """What is kept under `name`."""
    row = tx.one(_GET, (agent_id, name))
    return _memory(row) if row is not None else None


def recent(tx: Tx, agent_id: str, limit: int) -> list[Memory]:
    """The newest first."""
    return [_memory(row) for row in tx.all(_RECENT, (agent_id, limit))]


def search(tx: Tx, agent_id: str, *, words: str, limit: int) -> list[Memory]:
    """Best match first; `words` is an FTS5 expression, made by `MemoryStore` alone."""
    found = tx.all(_SEARCH, {"agent_id": agent_id, "words": words, "limit": limit})
    return [_memory(row) for row in found]


def delete(tx: Tx, agent_id: str, name: str) -> bool:
    """Forget what is kept under `name`; False if there was nothing."""
    row = tx.one(_DELETE, (agent_id, name))
    if row is None:
        return False
    tx.execute(_UNINDEX, (row["row_id"],))
    return True


def count(tx: Tx, agent_id: str) -> int:
    """How many things the agent remembers."""
    row = tx.one(_COUNT, (agent_id,))
    return int(row[0]) if row is not None else 0


def _memory(row: Row) -> Memory:
    return Memory(
        name=row["name"],
        text=row["text"],
        updated_at_ms=row["updated_at_ms"],
        authority=Authority(row["authority"]),
        origin=Origin(row["origin"]),
    )
