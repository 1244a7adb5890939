"""Which groups have a word of their own about when the assistant answers; held in memory.

Every message in a group asks, before anything is written, so asking costs no database. The rows
are read at start and followed by each change.
"""

from __future__ import annotations

from carapace.ids import SessionKey
from carapace.store.ports import Database, Tx

__all__ = ["GroupActivations"]


class GroupActivations:
    """`groupActivation` of the sessions that have one.

    Args:
        database: Where the sessions are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[SessionKey, str] = {}

    async def load(self) -> None:
        """Read them; before the first message."""

        def read(tx: Tx) -> dict[SessionKey, str]:
            sql = "SELECT key, group_activation FROM sessions WHERE group_activation IS NOT NULL"
            return {SessionKey(row["key"]): str(row["group_activation"]) for row in tx.all(sql)}

        self._known = await self._database.read(read)

    def of(self, key: SessionKey) -> str | None:
        """`mention`, `always`, or None where the channel's settings count."""
        return self._known.get(key)

    def note(self, key: SessionKey, value: str | None) -> None:
        """A session's setting changed, and that is on disk."""
        if value is None:
            self._known.pop(key, None)
        else:
            self._known[key] = value
