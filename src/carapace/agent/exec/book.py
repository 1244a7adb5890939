"""`ApprovalsBook`: the approvals document where it is kept, read, replaced and added to."""

from __future__ import annotations

import asyncio
from pathlib import Path

from carapace.agent.exec import document
from carapace.agent.exec.document import ExecRules
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.ids import new_id
from carapace.protocol.approvals import (
    ApprovalsEntry,
    ApprovalsFile,
    ApprovalsSnapshot,
    Ask,
    Security,
)
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["ApprovalsBook"]

_NO_HASH = "exec approvals base hash required; re-run exec.approvals.get and retry"
_OLD_HASH = "exec approvals changed since last load; re-run exec.approvals.get and retry"


class ApprovalsBook:
    """The one approvals document.

    Args:
        database: Where it is.
        clock: For times.
        audit: Hears of every change.
        path: Of the database, as shown to clients.
    """

    def __init__(self, database: Database, clock: Clock, *, audit: Audit, path: Path) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._path = path
        self._file: ApprovalsFile | None = None
        # What is held follows on what was written, in this order and no other.
        self._changing = asyncio.Lock()

    async def snapshot(self) -> ApprovalsSnapshot:
        """The document as clients read it."""
        return self._shown(await self._read())

    async def rules(self, agent_id: str, *, security: Security, ask: Ask) -> ExecRules:
        """What holds for an agent, within what the settings say."""
        return document.rules_of(await self._read(), agent_id, security=security, ask=ask)

    async def replace(
        self, file: ApprovalsFile, base_hash: str | None, *, by: str
    ) -> ApprovalsSnapshot:
        """Put another document in its place.

        Args:
            file: All of it.
            base_hash: Of the document that was changed into it.
            by: Who does, for the trail.

        Raises:
            Refused: If the hash is missing, or not that of the present document.
        """
        wanted = (base_hash or "").strip()
        async with self._changing:
            now = await self._read()
            if not wanted:
                raise Refused(_NO_HASH)
            if wanted != document.hash_of(now):
                raise Refused(_OLD_HASH)
            return self._shown(await self._keep(document.stamped(file, new_id), by=by))

    async def grant(self, agent_id: str, *, digest: str, command: str, path: str, by: str) -> None:
        """Let exactly what `digest` stands for run without asking from now on."""
        entry = ApprovalsEntry(
            pattern=document.DIGEST_PREFIX + digest,
            id=new_id(),
            last_used_at=self._clock.now_ms(),
            last_used_command=command,
            last_resolved_path=path,
        )
        async with self._changing:
            file = document.with_grant(await self._read(), agent_id, entry)
            await self._keep(file, by=by)

    async def _read(self) -> ApprovalsFile:
        if self._file is None:
            text = await self._database.read(_read)
            self._file = document.decode(text) if text is not None else ApprovalsFile()
        return self._file

    async def _keep(self, file: ApprovalsFile, *, by: str) -> ApprovalsFile:
        text, now_ms = document.encode(file), self._clock.now_ms()
        # A write whose outcome is unknown: read it back before it is used again.
        self._file = None
        await self._database.write(lambda tx: _write(tx, text, now_ms))
        self._file = file
        hashed = document.hash_of(file)
        self._audit.record(AuditKind.EXEC_APPROVALS_CHANGED, by=by, hash=hashed)
        return file

    def _shown(self, file: ApprovalsFile) -> ApprovalsSnapshot:
        socket_path = str(self._path.with_name("exec-approvals.sock"))
        return ApprovalsSnapshot(
            path=str(self._path),
            exists=True,
            hash=document.hash_of(file),
            file=document.shown(file, socket_path),
        )


def _read(tx: Tx) -> str | None:
    row = tx.one("SELECT file FROM exec_approvals WHERE only = 1")
    return None if row is None else str(row["file"])


def _write(tx: Tx, text: str, now_ms: int) -> None:
    tx.execute(
        "INSERT INTO exec_approvals (only, file, updated_at_ms) VALUES (1, ?, ?)"
        " ON CONFLICT (only) DO UPDATE SET file = excluded.file,"
        " updated_at_ms = excluded.updated_at_ms",
        (text, now_ms),
    )
