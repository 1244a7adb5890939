"""SQL of sessions, as functions over `Tx` that compose into one transaction.

A run appends to the transcript it began with: `append_message` takes a session id, not a
key, so that a reset in the middle never mixes two conversations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from carapace.ids import AgentId, SessionKey, new_id
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.sessions.encoding import encoded
from carapace.sessions.excerpts import excerpt_of
from carapace.sessions.keys import agent_of
from carapace.sessions.types import (
    NO_USAGE,
    Route,
    SessionEntry,
    StoredMessage,
    Touch,
    UsageTotals,
)
from carapace.store.ports import Row, Tx

__all__ = [
    "COLUMNS",
    "append_message",
    "count",
    "ensure",
    "entry_of",
    "find",
    "find_by_id",
    "has_message",
    "label_owner",
    "remove",
    "renew",
    "set_fields",
    "set_route",
    "touch",
]

_NAMES: Final = tuple(name for name in SessionEntry.__struct_fields__ if name != "used")
_USED: Final = UsageTotals.__struct_fields__
COLUMNS: Final = ", ".join((*_NAMES, *(f"used_{name}" for name in _USED)))
"""Every column, in the order of `SessionEntry`."""

_PLAIN: Final = frozenset(_NAMES) - {"origin", "delivery"}
_SETTABLE: Final = _PLAIN - {"key", "session_id", "agent_id", "created_at_ms"}
_SEARCHED: Final = frozenset({"label", "display_name", "subject", "origin"})

_FIND: Final = f"SELECT {COLUMNS} FROM sessions WHERE key = ?"  # noqa: S608 - our own column names
_FIND_BY_ID: Final = f"SELECT {COLUMNS} FROM sessions WHERE session_id = ?"  # noqa: S608 - as above
_APPEND: Final = """
INSERT INTO messages (session_id, seq, message_id, role, at_ms, size_bytes, excerpt, body)
VALUES (
  :session_id,
  (SELECT coalesce(max(seq), 0) + 1 FROM messages WHERE session_id = :session_id),
  :message_id, :role, :at_ms, :size_bytes, :excerpt, :body
)
ON CONFLICT (session_id, message_id) DO NOTHING
RETURNING seq
"""
_TOUCH: Final = """
UPDATE sessions SET
  updated_at_ms = max(updated_at_ms, :now_ms),
  model_provider = coalesce(:model_provider, model_provider),
  model = coalesce(:model, model),
  context_tokens = coalesce(:context_tokens, context_tokens),
  input_tokens = coalesce(:input_tokens, input_tokens),
  output_tokens = coalesce(:output_tokens, output_tokens),
  total_tokens = coalesce(:total_tokens, total_tokens),
  system_sent = coalesce(:system_sent, system_sent),
  aborted_last_run = coalesce(:aborted_last_run, aborted_last_run),
  used_input = used_input + :input,
  used_output = used_output + :output,
  used_cache_read = used_cache_read + :cache_read,
  used_cache_write = used_cache_write + :cache_write,
  used_cost_nano_usd = used_cost_nano_usd + :cost_nano_usd
WHERE key = :key
"""
# What a new transcript does not inherit: facts about the old one.
_RENEW: Final = """
UPDATE sessions SET
  session_id = :session_id, updated_at_ms = max(updated_at_ms, :now_ms),
  system_sent = 0, aborted_last_run = 0, compaction_count = 0, model_provider = NULL,
  input_tokens = 0, output_tokens = 0, total_tokens = 0
WHERE key = :key
"""


_ORIGIN, _DELIVERY, _SENT, _ABORTED = (
    _NAMES.index(name) for name in ("origin", "delivery", "system_sent", "aborted_last_run")
)
_PLAIN_COUNT: Final = len(_NAMES)
_DECODE_ORIGIN: Final = msgspec.json.Decoder(SessionOrigin).decode
_DECODE_DELIVERY: Final = msgspec.json.Decoder(DeliveryContext).decode


def entry_of(row: Row) -> SessionEntry:
    """A row of `COLUMNS` as an entry. By position: looking up forty names costs ten times more."""
    values = [*row]
    if values[_ORIGIN] is not None:
        values[_ORIGIN] = _DECODE_ORIGIN(values[_ORIGIN])
    if values[_DELIVERY] is not None:
        values[_DELIVERY] = _DECODE_DELIVERY(values[_DELIVERY])
    if values[_SENT] is not None:
        values[_SENT] = bool(values[_SENT])
    values[_ABORTED] = bool(values[_ABORTED])
    return SessionEntry(*values[:_PLAIN_COUNT], used=UsageTotals(*values[_PLAIN_COUNT:]))


def find(tx: Tx, key: SessionKey) -> SessionEntry | None:
    """The session called `key` (canonical)."""
    row = tx.one(_FIND, (key,))
    return None if row is None else entry_of(row)


def find_by_id(tx: Tx, session_id: str) -> SessionEntry | None:
    """The session whose present transcript is `session_id`."""
    row = tx.one(_FIND_BY_ID, (session_id,))
    return None if row is None else entry_of(row)


def ensure(tx: Tx, key: SessionKey, *, now_ms: int, default_agent: str = "main") -> SessionEntry:
    """The session called `key` (canonical), made if there is none."""
    found = find(tx, key)
    if found is not None:
        return found
    agent_id = agent_of(key, default=default_agent)
    session_id = _start_transcript(tx, key, agent_id, now_ms)
    tx.execute(
        "INSERT INTO sessions"
        " (key, session_id, agent_id, created_at_ms, updated_at_ms, search_text)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key, session_id, agent_id, now_ms, now_ms, ""),
    )
    _index(tx, key)
    return SessionEntry(key, session_id, agent_id, now_ms, now_ms)


def _start_transcript(tx: Tx, key: SessionKey, agent_id: AgentId, now_ms: int) -> str:
    session_id = new_id()
    tx.execute(
        "INSERT INTO transcripts (session_id, key, agent_id, started_at_ms) VALUES (?, ?, ?, ?)",
        (session_id, key, agent_id, now_ms),
    )
    return session_id


def has_message(tx: Tx, session_id: str, message_id: str) -> bool:
    """Whether a transcript has a message of that id."""
    found = tx.one(
        "SELECT 1 FROM messages WHERE session_id = ? AND message_id = ?", (session_id, message_id)
    )
    return found is not None


def append_message(tx: Tx, session_id: str, message: StoredMessage) -> int:
    """Add `message` to the end of a transcript; its position there, from 1.

    A message id that is there already changes nothing, so a finish that is replayed after a
    crash never doubles a message.
    """
    message, body = encoded(message)
    row = tx.one(
        _APPEND,
        {
            "session_id": session_id,
            "message_id": message.message_id,
            "role": message.role,
            "at_ms": message.timestamp_ms,
            "size_bytes": len(body),
            "excerpt": excerpt_of(message),
            "body": body.decode(),
        },
    )
    if row is None:
        row = tx.one(
            "SELECT seq FROM messages WHERE session_id = ? AND message_id = ?",
            (session_id, message.message_id),
        )
    if row is None:
        raise LookupError(f"message {message.message_id} is neither new nor there")
    return int(row["seq"])


def touch(
    tx: Tx, key: SessionKey, what: Touch, *, now_ms: int, usage: UsageTotals = NO_USAGE
) -> bool:
    """Note that something happened, what a run left, and add what it used; False if it is gone."""
    left = {name: getattr(what, name) for name in Touch.__struct_fields__}
    used = {name: getattr(usage, name) for name in _USED}
    return tx.execute(_TOUCH, {**left, **used, "now_ms": now_ms, "key": key}) > 0


def set_fields(tx: Tx, key: SessionKey, changes: Mapping[str, Any], *, now_ms: int) -> None:
    """Set plain fields of an entry by name; None clears one.

    Raises:
        ValueError: If a name is not a field that may be set.
    """
    unknown = changes.keys() - _SETTABLE
    if unknown:
        raise ValueError(f"not fields of a session that may be set: {', '.join(sorted(unknown))}")
    _update(tx, key, {**changes, "updated_at_ms": now_ms})


def set_route(tx: Tx, key: SessionKey, route: Route, *, entry: SessionEntry | None = None) -> None:
    """Note where the newest message came from.

    Args:
        tx: The transaction.
        key: The session.
        route: What is None in it stays as it is.
        entry: The session as the transaction sees it. What it says already is not written again:
            most messages come from where the one before came from.
    """
    given = {name: getattr(route, name) for name in Route.__struct_fields__}
    changes = {
        name: msgspec.json.encode(value).decode() if isinstance(value, msgspec.Struct) else value
        for name, value in given.items()
        if value is not None and (entry is None or value != getattr(entry, name))
    }
    if changes:
        _update(tx, key, changes)


def _update(tx: Tx, key: SessionKey, changes: Mapping[str, Any]) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in changes)
    tx.execute(
        f"UPDATE sessions SET {columns} WHERE key = :key",  # noqa: S608 - checked field names
        {**changes, "key": key},
    )
    if changes.keys() & _SEARCHED:
        _index(tx, key)


def _index(tx: Tx, key: SessionKey) -> None:
    """Keep the text that a search looks through in step with the fields it is made of."""
    entry = find(tx, key)
    if entry is None:
        return
    origin = entry.origin.label if entry.origin else None
    parts = (key, entry.session_id, entry.label, entry.display_name, entry.subject, origin)
    text = "\n".join(part for part in parts if part).casefold()
    tx.execute("UPDATE sessions SET search_text = ? WHERE key = ?", (text, key))


def label_owner(tx: Tx, label: str) -> SessionKey | None:
    """Which session carries `label`; no two may."""
    row = tx.one("SELECT key FROM sessions WHERE label = ?", (label,))
    return None if row is None else SessionKey(row["key"])


def renew(tx: Tx, key: SessionKey, *, now_ms: int, default_agent: str = "main") -> SessionEntry:
    """Give the session a new, empty transcript; settings and sums stay.

    The old transcript is ended, not changed. A session that was not there is made.
    """
    found = find(tx, key)
    if found is None:
        return ensure(tx, key, now_ms=now_ms, default_agent=default_agent)
    _end_transcript(tx, found.session_id, "reset", now_ms)
    session_id = _start_transcript(tx, key, found.agent_id, now_ms)
    tx.execute(_RENEW, {"session_id": session_id, "now_ms": now_ms, "key": key})
    _index(tx, key)
    renewed = find(tx, key)
    if renewed is None:
        raise LookupError(f"session {key} vanished inside its own transaction")
    return renewed


def remove(tx: Tx, key: SessionKey, *, now_ms: int) -> SessionEntry | None:
    """Take the session away and end its transcript; what it was, or None."""
    found = find(tx, key)
    if found is not None:
        tx.execute("DELETE FROM sessions WHERE key = ?", (key,))
        _end_transcript(tx, found.session_id, "delete", now_ms)
    return found


def _end_transcript(tx: Tx, session_id: str, reason: str, now_ms: int) -> None:
    tx.execute(
        "UPDATE transcripts SET ended_at_ms = ?, ended_by = ? WHERE session_id = ?",
        (now_ms, reason, session_id),
    )


def count(tx: Tx, agent_id: str | None = None) -> int:
    """How many sessions there are, of one agent or of all."""
    row = tx.one(
        "SELECT count(*) AS n FROM sessions WHERE (:agent IS NULL OR agent_id = :agent)",
        {"agent": agent_id},
    )
    return 0 if row is None else int(row["n"])
