"""`Pins`: which definition of each tool counts as known, kept across restarts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from carapace.agent.mcp.definitions import Definition
from carapace.clock import Clock
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["MAX_PINS", "Pins"]

MAX_PINS: Final = 256
"""Of one server. A tool beyond that is never known: renaming tools wins a server nothing."""


class Pins:
    """Remembers digests.

    Args:
        database: Where they are.
        clock: For times.
        audit: Hears of every change.
    """

    def __init__(self, database: Database, clock: Clock, *, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._told: set[tuple[str, str, str]] = set()

    async def changed(self, server: str, tools: Collection[Definition]) -> frozenset[str]:
        """Which of these are not as they were known, by the server's names; new ones get known."""
        known = await self._database.write(lambda tx: self._learn(tx, server, tools))
        found = [one for one in tools if known.get(one.said_name) != one.digest]
        for one in found:
            self._tell(server, one, known.get(one.said_name))
        return frozenset(one.said_name for one in found)

    async def accept(self, server: str, tool: Definition) -> None:
        """A person allowed a use of this definition: it is the known one now."""
        await self._database.write(
            lambda tx: tx.execute(
                "INSERT INTO mcp_tools VALUES (?, ?, ?, ?) ON CONFLICT (server, tool) DO UPDATE "
                "SET digest = excluded.digest, seen_at_ms = excluded.seen_at_ms",
                (server, tool.said_name, tool.digest, self._clock.now_ms()),
            )
        )

    def _learn(self, tx: Tx, server: str, tools: Collection[Definition]) -> dict[str, str]:
        rows = tx.all("SELECT tool, digest FROM mcp_tools WHERE server = ?", (server,))
        known = {str(row[0]): str(row[1]) for row in rows}
        for one in tools:
            if one.said_name not in known and len(known) < MAX_PINS:
                known[one.said_name] = one.digest
                tx.execute(
                    "INSERT INTO mcp_tools VALUES (?, ?, ?, ?)",
                    (server, one.said_name, one.digest, self._clock.now_ms()),
                )
        return known

    def _tell(self, server: str, tool: Definition, before: str | None) -> None:
        """Once for each definition: a server may list its tools often."""
        key = (server, tool.said_name, tool.digest)
        if key in self._told or len(self._told) >= 16 * MAX_PINS:
            return
        self._told.add(key)
        self._audit.record(
            AuditKind.MCP_TOOL_CHANGED,
            server=server,
            tool=tool.name,
            before=before or "unknown",
            digest=tool.digest,
            description=tool.description[:500],
        )
