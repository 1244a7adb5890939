"""Rows of the plugins' alarms: functions over one transaction."""

from __future__ import annotations

from typing import Final

from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["Alarm", "count", "erase", "first", "postpone", "put", "remove", "taken"]

_PUT: Final = """
INSERT INTO plugin_timers (plugin_id, name, at_ms, payload, stamp)
VALUES (:plugin_id, :name, :at_ms, :payload, :stamp)
ON CONFLICT (plugin_id, name) DO UPDATE SET at_ms = excluded.at_ms,
  payload = excluded.payload, stamp = excluded.stamp, failures = 0
"""
_FIRST: Final = """
SELECT name, at_ms, payload, stamp, failures FROM plugin_timers
WHERE plugin_id = ? ORDER BY at_ms, name LIMIT 1
"""


class Alarm(Value, frozen=True):
    """One that has not been taken.

    Attributes:
        name: The plugin's own.
        at_ms: When.
        payload: The plugin's own.
        stamp: Of this setting.
        failures: How often the plugin broke on it.
    """

    name: str
    at_ms: int
    payload: str
    stamp: str
    failures: int = 0


def put(tx: Tx, plugin_id: str, alarm: Alarm, *, max_count: int) -> bool:
    """Set it, or set it anew; False if that would be more than `max_count`."""
    is_there = tx.one(
        "SELECT 1 FROM plugin_timers WHERE plugin_id = ? AND name = ?", (plugin_id, alarm.name)
    )
    if is_there is None and count(tx, plugin_id) >= max_count:
        return False
    tx.execute(
        _PUT,
        {
            "plugin_id": plugin_id,
            "name": alarm.name,
            "at_ms": alarm.at_ms,
            "payload": alarm.payload,
            "stamp": alarm.stamp,
        },
    )
    return True


def count(tx: Tx, plugin_id: str) -> int:
    """How many are set."""
    row = tx.one("SELECT count(*) AS n FROM plugin_timers WHERE plugin_id = ?", (plugin_id,))
    assert row is not None  # noqa: S101 - an aggregate always gives one row
    return row["n"]


def first(tx: Tx, plugin_id: str) -> Alarm | None:
    """The one that rings first."""
    row = tx.one(_FIRST, (plugin_id,))
    if row is None:
        return None
    return Alarm(row["name"], row["at_ms"], row["payload"], row["stamp"], row["failures"])


def remove(tx: Tx, plugin_id: str, name: str) -> bool:
    """Unset it; whether it was set."""
    return (
        tx.execute("DELETE FROM plugin_timers WHERE plugin_id = ? AND name = ?", (plugin_id, name))
        > 0
    )


def taken(tx: Tx, plugin_id: str, alarm: Alarm) -> None:
    """The plugin has it; one that was set anew meanwhile stays."""
    tx.execute(
        "DELETE FROM plugin_timers WHERE plugin_id = ? AND name = ? AND stamp = ?",
        (plugin_id, alarm.name, alarm.stamp),
    )


def postpone(tx: Tx, plugin_id: str, alarm: Alarm, *, at_ms: int) -> None:
    """The plugin broke on it; ring again at `at_ms`, unless it was set anew meanwhile."""
    tx.execute(
        "UPDATE plugin_timers SET at_ms = ?, failures = failures + 1"
        " WHERE plugin_id = ? AND name = ? AND stamp = ?",
        (at_ms, plugin_id, alarm.name, alarm.stamp),
    )


def erase(tx: Tx, plugin_id: str) -> None:
    """Unset all of a plugin's."""
    tx.execute("DELETE FROM plugin_timers WHERE plugin_id = ?", (plugin_id,))
