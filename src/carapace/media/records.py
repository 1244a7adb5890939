"""Rows of the media store: functions over one transaction."""

from __future__ import annotations

from carapace.media.types import MediaItem, MediaKind
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "Totals",
    "add_reference",
    "find",
    "insert",
    "known_ids",
    "release",
    "take_expired",
    "totals",
]

_COLUMNS = "media_id, content_type, kind, size_bytes, sha256, filename, created_at_ms"


class Totals(Value, frozen=True):
    """How much is stored."""

    items: int
    size_bytes: int


def insert(tx: Tx, item: MediaItem) -> None:
    """Add a file that is on the disk; nobody needs it yet."""
    tx.execute(
        f"INSERT INTO media ({_COLUMNS}, idle_since_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (
            item.id,
            item.content_type,
            item.kind.value,
            item.size_bytes,
            item.sha256,
            item.filename,
            item.created_at_ms,
            item.created_at_ms,
        ),
    )


def find(tx: Tx, media_id: str) -> MediaItem | None:
    """One file, or None."""
    row = tx.one(f"SELECT {_COLUMNS} FROM media WHERE media_id = ?", (media_id,))  # noqa: S608 - as above
    return None if row is None else _item(row)


def add_reference(tx: Tx, media_id: str, owner: str) -> bool:
    """Keep a file for `owner`; once or twice is the same. False if there is no such file."""
    if tx.execute("UPDATE media SET idle_since_ms = NULL WHERE media_id = ?", (media_id,)) == 0:
        return False
    tx.execute(
        "INSERT INTO media_references (owner, media_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (owner, media_id),
    )
    return True


def release(tx: Tx, owner: str, *, now_ms: int) -> int:
    """`owner` needs none of its files any more; how many it had."""
    tx.execute(
        "UPDATE media SET idle_since_ms = :now WHERE media_id IN"
        " (SELECT media_id FROM media_references WHERE owner = :owner)"
        " AND NOT EXISTS (SELECT 1 FROM media_references AS other"
        "  WHERE other.media_id = media.media_id AND other.owner <> :owner)",
        {"now": now_ms, "owner": owner},
    )
    return tx.execute("DELETE FROM media_references WHERE owner = ?", (owner,))


def take_expired(tx: Tx, *, idle_before_ms: int, made_before_ms: int, limit: int) -> list[Row]:
    """Remove rows that are due, oldest first: their `media_id` and `size_bytes`."""
    return tx.all(
        "DELETE FROM media WHERE media_id IN (SELECT media_id FROM media"
        " WHERE idle_since_ms <= :idle OR created_at_ms <= :made"
        " ORDER BY created_at_ms LIMIT :limit) RETURNING media_id, size_bytes",
        {"idle": idle_before_ms, "made": made_before_ms, "limit": limit},
    )


def totals(tx: Tx) -> Totals:
    """How much is stored."""
    row = tx.one("SELECT count(*) AS items, coalesce(sum(size_bytes), 0) AS size_bytes FROM media")
    assert row is not None  # noqa: S101 - an aggregate always gives one row
    return Totals(row["items"], row["size_bytes"])


def known_ids(tx: Tx, ids: list[str]) -> set[str]:
    """Those of at most a few hundred `ids` that have a row."""
    marks = ", ".join("?" * len(ids))
    rows = tx.all(f"SELECT media_id FROM media WHERE media_id IN ({marks})", ids)  # noqa: S608 - marks only
    return {row["media_id"] for row in rows}


def _item(row: Row) -> MediaItem:
    return MediaItem(
        id=row["media_id"],
        content_type=row["content_type"],
        kind=MediaKind(row["kind"]),
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        filename=row["filename"],
        created_at_ms=row["created_at_ms"],
    )
