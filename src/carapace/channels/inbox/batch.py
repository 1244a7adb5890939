"""Rows that are answered together, and those that need not be read again."""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import Final

from carapace.channels.inbox.pending import PendingContext
from carapace.channels.inbox.records import InboxRow
from carapace.provenance import Provenance
from carapace.value import Value

__all__ = ["Batch", "FreshBatches"]

_FRESH_S: Final = 0.05
_MAX_FRESH: Final = 64


class Batch(Value, frozen=True):
    """Rows of one lane that are answered together, at least one; the lane is held meanwhile.

    Attributes:
        rows: In order.
        context: What the conversation said before without meaning us.
    """

    rows: tuple[InboxRow, ...]
    context: PendingContext | None = None

    @property
    def head(self) -> InboxRow:
        """The first row; it gives the run its name."""
        return self.rows[0]

    @property
    def inbox_ids(self) -> tuple[int, ...]:
        """The rows' ids."""
        return tuple(row.inbox_id for row in self.rows)

    @property
    def run_id(self) -> str:
        """The same for every attempt at these rows; a replay by hand is another run."""
        head = self.head
        again = f"-r{head.replays}" if head.replays else ""
        return head.run_id or f"inbox-{head.inbox_id}{again}"

    @property
    def provenance(self) -> Provenance:
        """What all of its words together may cause: the least of them, context too (row E13)."""
        joined = reduce(Provenance.joined, (row.provenance for row in self.rows))
        return joined if self.context is None else joined.shrunk(self.context.authority)


class FreshBatches:
    """Batches as the transactions saw them that wrote their rows.

    Whoever works at the rows comes for them in the next turns of the loop, and need not ask the
    disk for what it was just given. Not for longer: rows that wait may be edited, withdrawn
    or stopped.
    """

    def __init__(self) -> None:
        self._batches: OrderedDict[str, tuple[float, Batch]] = OrderedDict()

    def keep(self, lane: str, batch: Batch, *, now_s: float) -> None:
        """Keep a lane's batch, read at `now_s` (monotonic)."""
        self._batches.pop(lane, None)
        self._batches[lane] = now_s, batch
        if len(self._batches) > _MAX_FRESH:
            self._batches.popitem(last=False)

    def take(self, lane: str, *, now_s: float) -> Batch | None:
        """A lane's batch, once; None if there is none, or an old one."""
        read_s, batch = self._batches.pop(lane, (0.0, None))
        return batch if now_s - read_s <= _FRESH_S else None

    def clear(self) -> None:
        """Keep none."""
        self._batches.clear()
