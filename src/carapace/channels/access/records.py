"""Who was let in and who waits for it, as functions over one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "AllowedSender",
    "PairingRequest",
    "allow",
    "count_waiting",
    "delete_expired",
    "delete_request",
    "disallow",
    "has_code",
    "is_allowed",
    "list_allowed",
    "list_waiting",
    "request_of",
    "save_request",
]

_MAX_ALLOWED: Final = 100_000
_MAX_WAITING: Final = 1_000


class AllowedSender(Value, frozen=True, kw_only=True):
    """Somebody who was let in.

    Attributes:
        approved_by: Who decided, e.g. `operator` or `webhook:alice`.
    """

    channel: str
    account: str
    sender_id: str
    display_name: str | None
    approved_by: str
    approved_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingRequest:
    """Somebody who was told a code and waits.

    Attributes:
        display_name: As they call themselves; for people to read, it proves nothing.
        conversation: Where they asked; the answer goes there.
        code: Shown to them alone.
    """

    channel: str
    account: str
    sender_id: str
    display_name: str | None
    conversation: str
    thread_id: str | None
    code: str = field(repr=False)
    created_at_ms: int
    expires_at_ms: int


def allow(tx: Tx, sender: AllowedSender) -> None:
    """Let somebody in; once more changes nothing."""
    tx.execute(
        "INSERT INTO channel_allowed"
        " (channel, account, sender_id, display_name, approved_by, approved_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            sender.channel,
            sender.account,
            sender.sender_id,
            sender.display_name,
            sender.approved_by,
            sender.approved_at_ms,
        ),
    )


def disallow(tx: Tx, channel: str, account: str | None, sender_id: str) -> int:
    """Make somebody a stranger again, at one account or at all; how many rows went."""
    return tx.execute(
        "DELETE FROM channel_allowed WHERE channel = :channel AND sender_id = :sender"
        " AND (:account IS NULL OR account = :account)",
        {"channel": channel, "account": account, "sender": sender_id},
    )


def is_allowed(tx: Tx, channel: str, account: str, sender_id: str) -> bool:
    """Whether somebody was let in."""
    found = tx.one(
        "SELECT 1 FROM channel_allowed WHERE channel = ? AND account = ? AND sender_id = ?",
        (channel, account, sender_id),
    )
    return found is not None


def list_allowed(tx: Tx) -> list[AllowedSender]:
    """All who were let in, latest first; at most 100,000."""
    rows = tx.all(
        "SELECT * FROM channel_allowed ORDER BY approved_at_ms DESC, sender_id LIMIT ?",
        (_MAX_ALLOWED,),
    )
    return [AllowedSender(**{name: row[name] for name in row.keys()}) for row in rows]  # noqa: SIM118 - a row is no dict


def save_request(tx: Tx, request: PairingRequest) -> None:
    """Write a new request down; there is none of that sender yet."""
    tx.execute(
        "INSERT INTO channel_pairings (channel, account, sender_id, display_name, conversation,"
        " thread_id, code, created_at_ms, expires_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            request.channel,
            request.account,
            request.sender_id,
            request.display_name,
            request.conversation,
            request.thread_id,
            request.code,
            request.created_at_ms,
            request.expires_at_ms,
        ),
    )


def request_of(tx: Tx, channel: str, account: str, sender_id: str) -> PairingRequest | None:
    """What that sender waits for."""
    row = tx.one(
        "SELECT * FROM channel_pairings WHERE channel = ? AND account = ? AND sender_id = ?",
        (channel, account, sender_id),
    )
    return _request(row) if row is not None else None


def list_waiting(
    tx: Tx, channel: str | None = None, account: str | None = None, *, now_ms: int
) -> list[PairingRequest]:
    """Who waits and has not waited too long, oldest first; at most 1,000."""
    rows = tx.all(
        "SELECT * FROM channel_pairings WHERE expires_at_ms > :now"
        " AND (:channel IS NULL OR channel = :channel)"
        " AND (:account IS NULL OR account = :account)"
        " ORDER BY created_at_ms, sender_id LIMIT :most",
        {"now": now_ms, "channel": channel, "account": account, "most": _MAX_WAITING},
    )
    return [_request(row) for row in rows]


def count_waiting(tx: Tx, channel: str, account: str) -> int:
    """How many wait at that account."""
    row = tx.one(
        "SELECT count(*) AS n FROM channel_pairings WHERE channel = ? AND account = ?",
        (channel, account),
    )
    return int(row["n"]) if row is not None else 0


def has_code(tx: Tx, code: str) -> bool:
    """Whether somebody was told that code already."""
    return tx.one("SELECT 1 FROM channel_pairings WHERE code = ?", (code,)) is not None


def delete_request(tx: Tx, request: PairingRequest) -> None:
    """Forget it; its code is worthless from now on."""
    tx.execute(
        "DELETE FROM channel_pairings WHERE channel = ? AND account = ? AND sender_id = ?",
        (request.channel, request.account, request.sender_id),
    )


def delete_expired(tx: Tx, *, now_ms: int) -> int:
    """Forget those who waited too long; how many."""
    return tx.execute("DELETE FROM channel_pairings WHERE expires_at_ms <= ?", (now_ms,))


def _request(row: Row) -> PairingRequest:
    return PairingRequest(**{name: row[name] for name in row.keys()})  # noqa: SIM118 - a row is no dict
