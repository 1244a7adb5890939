"""Commands that agents run: who is asked about them, and what runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.pending import PendingApprovals
from carapace.clock import Clock
from carapace.protocol.events import Publish
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit

__all__ = ["Execs", "open_execs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execs:
    """The parts; methods see the first two."""

    book: ApprovalsBook
    pending: PendingApprovals


def open_execs(
    *, database: Database, path: Path, publish: Publish, clock: Clock, audit: Audit
) -> Execs:
    """Build them.

    Args:
        database: Keeps the approvals document.
        path: Of the database.
        publish: Reaches operators.
        clock: The time.
        audit: Hears of changes and decisions.
    """
    return Execs(
        book=ApprovalsBook(database, clock, audit=audit, path=path),
        pending=PendingApprovals(publish, clock),
    )
