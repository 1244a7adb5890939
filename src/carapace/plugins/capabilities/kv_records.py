"""Rows of the plugins' key-value store: functions over one transaction."""

from __future__ import annotations

from typing import Final

from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = ["ENTRY_BYTES", "Entry", "delete", "erase", "find", "put", "scan", "size"]

ENTRY_BYTES: Final = 64
"""What an entry counts beside its key and value: many tiny ones are not free either."""

_LIVE: Final = "(expires_at_ms IS NULL OR expires_at_ms > :now_ms)"
_FIND: Final = f"""
SELECT key, value, revision FROM plugin_kv
WHERE plugin_id = :plugin_id AND key = :key AND {_LIVE}
"""  # noqa: S608 - a constant
_SCAN: Final = f"""
SELECT key, value, revision FROM plugin_kv
WHERE plugin_id = :plugin_id AND key >= :first AND key > :after
  AND (:end IS NULL OR key < :end) AND {_LIVE}
ORDER BY key LIMIT :limit
"""  # noqa: S608 - a constant
_PUT: Final = """
INSERT INTO plugin_kv (plugin_id, key, value, revision, size_bytes, expires_at_ms)
VALUES (:plugin_id, :key, :value, :revision, :size_bytes, :expires_at_ms)
ON CONFLICT (plugin_id, key) DO UPDATE SET value = excluded.value,
  revision = excluded.revision, size_bytes = excluded.size_bytes,
  expires_at_ms = excluded.expires_at_ms
"""
_USAGE: Final = """
INSERT INTO plugin_kv_usage (plugin_id, size_bytes, last_revision)
VALUES (:plugin_id, :size_bytes, :revision)
ON CONFLICT (plugin_id) DO UPDATE SET size_bytes = excluded.size_bytes,
  last_revision = excluded.last_revision
"""
_DROP_EXPIRED: Final = """
DELETE FROM plugin_kv WHERE plugin_id = :plugin_id AND expires_at_ms <= :now_ms
RETURNING size_bytes
"""
_MAX_CHAR: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)


class Entry(Value, frozen=True):
    """A key and what is there."""

    key: str
    value: str
    revision: int


def find(tx: Tx, plugin_id: str, key: str, *, now_ms: int) -> Entry | None:
    """What is at a key, unless its time is over."""
    row = tx.one(_FIND, {"plugin_id": plugin_id, "key": key, "now_ms": now_ms})
    return None if row is None else _entry(row)


def put(
    tx: Tx,
    plugin_id: str,
    entry: tuple[str, str],
    *,
    expires_at_ms: int | None,
    max_bytes: int,
    now_ms: int,
) -> int | None:
    """Write a key and its value; the new revision, or None if that is more than `max_bytes`."""
    key, value = entry
    used, last_revision = _usage(tx, plugin_id)
    old = tx.one(
        "SELECT size_bytes FROM plugin_kv WHERE plugin_id = ? AND key = ?", (plugin_id, key)
    )
    size_bytes = ENTRY_BYTES + len(key.encode()) + len(value.encode())
    total = used + size_bytes - (0 if old is None else old["size_bytes"])
    if total > max_bytes:
        total -= _drop_expired(tx, plugin_id, key, now_ms=now_ms)
        if total > max_bytes:
            _set_usage(tx, plugin_id, _sum(tx, plugin_id), last_revision)
            return None
    revision = last_revision + 1
    tx.execute(
        _PUT,
        {
            "plugin_id": plugin_id,
            "key": key,
            "value": value,
            "revision": revision,
            "size_bytes": size_bytes,
            "expires_at_ms": expires_at_ms,
        },
    )
    _set_usage(tx, plugin_id, total, revision)
    return revision


def delete(tx: Tx, plugin_id: str, key: str, *, now_ms: int) -> bool:
    """Remove a key; whether something was there whose time was not over."""
    was_there = find(tx, plugin_id, key, now_ms=now_ms) is not None
    rows = tx.all(
        "DELETE FROM plugin_kv WHERE plugin_id = ? AND key = ? RETURNING size_bytes",
        (plugin_id, key),
    )
    if rows:
        used, last_revision = _usage(tx, plugin_id)
        _set_usage(tx, plugin_id, used - rows[0]["size_bytes"], last_revision)
    return was_there


def scan(
    tx: Tx, plugin_id: str, prefix: str, *, after: str | None, limit: int, now_ms: int
) -> list[Entry]:
    """Entries whose key begins with `prefix`, in order of their code points, after `after`."""
    rows = tx.all(
        _SCAN,
        {
            "plugin_id": plugin_id,
            "first": prefix,
            "after": "" if after is None else after,
            "end": _end_of(prefix),
            "limit": limit,
            "now_ms": now_ms,
        },
    )
    return [_entry(row) for row in rows]


def size(tx: Tx, plugin_id: str) -> int:
    """How many bytes a plugin keeps, with what is over but not removed yet."""
    return _usage(tx, plugin_id)[0]


def erase(tx: Tx, plugin_id: str) -> None:
    """Remove everything a plugin keeps."""
    tx.execute("DELETE FROM plugin_kv WHERE plugin_id = ?", (plugin_id,))
    tx.execute("DELETE FROM plugin_kv_usage WHERE plugin_id = ?", (plugin_id,))


def _usage(tx: Tx, plugin_id: str) -> tuple[int, int]:
    row = tx.one(
        "SELECT size_bytes, last_revision FROM plugin_kv_usage WHERE plugin_id = ?", (plugin_id,)
    )
    return (0, 0) if row is None else (row["size_bytes"], row["last_revision"])


def _set_usage(tx: Tx, plugin_id: str, size_bytes: int, revision: int) -> None:
    tx.execute(_USAGE, {"plugin_id": plugin_id, "size_bytes": size_bytes, "revision": revision})


def _sum(tx: Tx, plugin_id: str) -> int:
    row = tx.one(
        "SELECT coalesce(sum(size_bytes), 0) AS size_bytes FROM plugin_kv WHERE plugin_id = ?",
        (plugin_id,),
    )
    assert row is not None  # noqa: S101 - an aggregate always gives one row
    return row["size_bytes"]


def _drop_expired(tx: Tx, plugin_id: str, key: str, *, now_ms: int) -> int:
    """Remove what is over; how many bytes that frees, beside the entry that is written anew."""
    old = tx.one(
        "SELECT size_bytes FROM plugin_kv WHERE plugin_id = ? AND key = ? AND expires_at_ms <= ?",
        (plugin_id, key, now_ms),
    )
    freed = tx.all(_DROP_EXPIRED, {"plugin_id": plugin_id, "now_ms": now_ms})
    return sum(row["size_bytes"] for row in freed) - (0 if old is None else old["size_bytes"])


def _end_of(prefix: str) -> str | None:
    """The first text behind all that begin with `prefix`, or None if there is none."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if point == _SURROGATES[0]:
            point = _SURROGATES[1] + 1
        if point <= _MAX_CHAR:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return None


def _entry(row: Row) -> Entry:
    return Entry(row["key"], row["value"], row["revision"])
