"""SQL of the replay memory, as functions over `Tx`."""

from __future__ import annotations

from typing import Final

from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["Seen", "claim", "forget", "is_handled", "prune", "settle"]

_CLAIM: Final = """
INSERT INTO webhook_replay (digest, owner, account, seen_at_ms, expires_at_ms)
VALUES (:digest, :owner, :account, :seen_at_ms, :expires_at_ms)
ON CONFLICT (digest) DO UPDATE SET
  seen_at_ms = excluded.seen_at_ms, expires_at_ms = excluded.expires_at_ms, status = NULL
WHERE webhook_replay.status IS NULL OR webhook_replay.expires_at_ms <= excluded.seen_at_ms
"""
_SETTLE: Final = "UPDATE webhook_replay SET status = ? WHERE digest = ?"
_FORGET: Final = "DELETE FROM webhook_replay WHERE digest = ? AND status IS NULL"
_IS_HANDLED: Final = """
SELECT 1 FROM webhook_replay WHERE digest = ? AND status IS NOT NULL AND expires_at_ms > ?
"""
_EXPIRE: Final = "DELETE FROM webhook_replay WHERE expires_at_ms <= ?"
# The newest stay: an account can only push out its own.
_CAP: Final = """
DELETE FROM webhook_replay WHERE owner = :owner AND account = :account AND seen_at_ms < (
  SELECT seen_at_ms FROM webhook_replay WHERE owner = :owner AND account = :account
  ORDER BY seen_at_ms DESC LIMIT 1 OFFSET :max_rows
)
"""


class Seen(Value, frozen=True, kw_only=True):
    """A row before its outcome is known."""

    digest: bytes
    owner: str
    account: str
    seen_at_ms: int
    expires_at_ms: int


def claim(tx: Tx, seen: Seen) -> bool:
    """Write down that a request is being handled; False if it was handled before.

    A row without outcome is of a handling that a crash cut short: it is taken over.
    """
    changed = tx.execute(
        _CLAIM,
        {
            "digest": seen.digest,
            "owner": seen.owner,
            "account": seen.account,
            "seen_at_ms": seen.seen_at_ms,
            "expires_at_ms": seen.expires_at_ms,
        },
    )
    return changed == 1


def settle(tx: Tx, digest: bytes, status: int) -> None:
    """The request was handled, and answered with `status`."""
    tx.execute(_SETTLE, (status, digest))


def forget(tx: Tx, digest: bytes) -> None:
    """The request was not handled after all; its repetition is welcome."""
    tx.execute(_FORGET, (digest,))


def is_handled(tx: Tx, digest: bytes, now_ms: int) -> bool:
    """Whether the request was handled before."""
    return tx.one(_IS_HANDLED, (digest, now_ms)) is not None


def prune(tx: Tx, owner: str, account: str, *, max_rows: int, now_ms: int) -> int:
    """Forget what is too old, and an account's oldest rows beyond `max_rows`; how many."""
    expired = tx.execute(_EXPIRE, (now_ms,))
    over = tx.execute(_CAP, {"owner": owner, "account": account, "max_rows": max_rows - 1})
    return expired + over
