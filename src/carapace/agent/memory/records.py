"""SQL of the vectors. A vector belongs to one text; writing the text anew removes it."""

from __future__ import annotations

from typing import Final

from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["MAX_VECTORS", "Candidates", "Pending", "candidates", "drop", "pending", "put"]

MAX_VECTORS: Final = 20_000
"""Vectors one search compares: the newest ones of an agent."""

_PENDING: Final = """
SELECT m.row_id, m.name, m.text FROM memories m
LEFT JOIN memories_vectors v ON v.row_id = m.row_id AND v.model = ?
WHERE v.row_id IS NULL
ORDER BY m.updated_at_ms DESC, m.row_id LIMIT ?
"""
_PUT: Final = """
INSERT OR REPLACE INTO memories_vectors (row_id, model, dims, vector)
SELECT row_id, :model, :dims, :vector FROM memories
WHERE row_id = :row_id AND name = :name AND text = :text
"""
_DROP: Final = "DELETE FROM memories_vectors WHERE row_id = ?"
_CANDIDATES: Final = """
SELECT m.name, v.vector FROM memories m JOIN memories_vectors v ON v.row_id = m.row_id
WHERE m.agent_id = ? AND v.model = ? AND v.vector IS NOT NULL
ORDER BY m.updated_at_ms DESC, m.row_id LIMIT ?
"""


class Pending(Value, frozen=True):
    """A memory without a vector."""

    row_id: int
    name: str
    text: str


class Candidates(Value, frozen=True):
    """All vectors of an agent, with the name of each memory in the same order."""

    names: tuple[str, ...]
    vectors: bytes


def pending(tx: Tx, model: str, limit: int) -> list[Pending]:
    """Memories of all agents that `model` has not seen, newest first."""
    rows = tx.all(_PENDING, (model, limit))
    return [Pending(row["row_id"], row["name"], row["text"]) for row in rows]


def put(tx: Tx, memory: Pending, *, model: str, dims: int, vector: bytes | None) -> bool:
    """Keep the vector of `memory`; False if it was changed or forgotten in the meantime."""
    values = {"row_id": memory.row_id, "name": memory.name, "text": memory.text}
    return tx.execute(_PUT, {**values, "model": model, "dims": dims, "vector": vector}) > 0


def drop(tx: Tx, row_id: int) -> None:
    """The text has changed: its vector is to be made anew."""
    tx.execute(_DROP, (row_id,))


def candidates(tx: Tx, agent_id: str, model: str, limit: int = MAX_VECTORS) -> Candidates:
    """What a search of this agent compares."""
    rows = tx.all(_CANDIDATES, (agent_id, model, limit))
    return Candidates(tuple(row["name"] for row in rows), b"".join(row["vector"] for row in rows))
