"""Rows of held requests: functions over one transaction."""

from __future__ import annotations

from typing import Final

from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["HeldPoll", "all_of", "erase", "keep_answer", "put", "remove", "set_failures"]

_PUT: Final = """
INSERT INTO plugin_polls (plugin_id, name, request, payload)
VALUES (:plugin_id, :name, :request, :payload)
ON CONFLICT (plugin_id, name) DO UPDATE SET request = excluded.request,
  payload = excluded.payload
"""
_KEEP: Final = """
UPDATE plugin_polls SET answer = ?, answer_payload = ?, failures = 0
WHERE plugin_id = ? AND name = ?
"""


class HeldPoll(Value, frozen=True, kw_only=True):
    """One held request.

    Attributes:
        name: The plugin's own.
        request: As JSON, without secrets.
        payload: Comes back with the next answer.
        answer: What came and was not taken, as JSON.
        answer_payload: What comes back with it.
        failures: How often the plugin broke on it.
    """

    name: str
    request: str
    payload: str
    answer: str | None = None
    answer_payload: str = ""
    failures: int = 0


def put(tx: Tx, plugin_id: str, poll: HeldPoll, *, max_count: int) -> bool:
    """Hold it, or change it; an answer that was not taken stays. False if there are too many."""
    names = tx.all("SELECT name FROM plugin_polls WHERE plugin_id = ?", (plugin_id,))
    is_new = all(row["name"] != poll.name for row in names)
    if is_new and len(names) >= max_count:
        return False
    tx.execute(
        _PUT,
        {
            "plugin_id": plugin_id,
            "name": poll.name,
            "request": poll.request,
            "payload": poll.payload,
        },
    )
    return True


def all_of(tx: Tx, plugin_id: str) -> list[HeldPoll]:
    """All of a plugin's, by name."""
    rows = tx.all(
        "SELECT name, request, payload, answer, answer_payload, failures FROM plugin_polls"
        " WHERE plugin_id = ? ORDER BY name",
        (plugin_id,),
    )
    return [
        HeldPoll(
            name=row["name"],
            request=row["request"],
            payload=row["payload"],
            answer=row["answer"],
            answer_payload=row["answer_payload"] or "",
            failures=row["failures"],
        )
        for row in rows
    ]


def keep_answer(
    tx: Tx, plugin_id: str, name: str, *, answer: str | None, payload: str | None
) -> None:
    """Keep what came until it is taken; None once it is."""
    tx.execute(_KEEP, (answer, payload, plugin_id, name))


def set_failures(tx: Tx, plugin_id: str, name: str, failures: int) -> None:
    """Remember how often the plugin broke on the answer."""
    tx.execute(
        "UPDATE plugin_polls SET failures = ? WHERE plugin_id = ? AND name = ?",
        (failures, plugin_id, name),
    )


def remove(tx: Tx, plugin_id: str, name: str) -> bool:
    """Hold it no longer; whether it was held."""
    return (
        tx.execute("DELETE FROM plugin_polls WHERE plugin_id = ? AND name = ?", (plugin_id, name))
        > 0
    )


def erase(tx: Tx, plugin_id: str) -> None:
    """Hold none of a plugin's any longer."""
    tx.execute("DELETE FROM plugin_polls WHERE plugin_id = ?", (plugin_id,))
