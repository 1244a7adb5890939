"""Rows of public links: functions over one transaction.

A link keeps its file as any other owner does, under a name that only it has.
"""

from __future__ import annotations

from carapace.media.records import add_reference, release
from carapace.store.ports import Tx

__all__ = ["drop_expired", "insert", "live_media_id", "owner_of", "remove", "remove_all"]

_MAX_BATCH = 500


def owner_of(token_digest: str) -> str:
    """Under which name a link keeps its file."""
    return f"link:{token_digest}"


def insert(
    tx: Tx, token_digest: str, media_id: str, *, created_at_ms: int, expires_at_ms: int
) -> bool:
    """Add a link; False if there is no such file."""
    if not add_reference(tx, media_id, owner_of(token_digest)):
        return False
    tx.execute(
        "INSERT INTO media_links (token_digest, media_id, created_at_ms, expires_at_ms)"
        " VALUES (?, ?, ?, ?)",
        (token_digest, media_id, created_at_ms, expires_at_ms),
    )
    return True


def live_media_id(tx: Tx, token_digest: str, *, now_ms: int) -> str | None:
    """The file of a link that has not expired."""
    row = tx.one(
        "SELECT media_id FROM media_links WHERE token_digest = ? AND expires_at_ms > ?",
        (token_digest, now_ms),
    )
    return None if row is None else row["media_id"]


def remove(tx: Tx, token_digest: str, *, now_ms: int) -> bool:
    """Take a link back; False if there was none."""
    release(tx, owner_of(token_digest), now_ms=now_ms)
    return tx.execute("DELETE FROM media_links WHERE token_digest = ?", (token_digest,)) > 0


def remove_all(tx: Tx, media_id: str, *, now_ms: int) -> int:
    """Take every link to a file back; how many there were."""
    rows = tx.all("SELECT token_digest FROM media_links WHERE media_id = ?", (media_id,))
    return sum(remove(tx, row["token_digest"], now_ms=now_ms) for row in rows)


def drop_expired(tx: Tx, *, now_ms: int) -> int:
    """Remove links that are over, a few hundred at a time; how many that were."""
    rows = tx.all(
        "SELECT token_digest FROM media_links WHERE expires_at_ms <= ? LIMIT ?",
        (now_ms, _MAX_BATCH),
    )
    return sum(remove(tx, row["token_digest"], now_ms=now_ms) for row in rows)
