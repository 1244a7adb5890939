"""A place among the attempts, held for a row that another transaction is about to insert.

Without one, a new row waits for the sender's next step, which is a transaction of its own between
the words being on disk and the call of their channel. With one the inserting transaction takes the
row as a step would, with lease and fence, and the sender hands it over when that is on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from carapace.channels.outbox import claims
from carapace.channels.outbox.types import AccountKey, OutboxRow
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["Ended", "Reservation"]


class Ended(Value, frozen=True, kw_only=True):
    """How a reservation ended.

    Attributes:
        row: Taken, and on disk as `sending`: hand it to its channel. None if none was.
        is_doubtful: Nobody knows whether the transaction was written.
    """

    row: OutboxRow | None = None
    is_doubtful: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Reservation:
    """Leave to take one row; to be ended by one call of `written` or `failed`, in any case.

    Attributes:
        key: Whose place it is.
        lease_ms: How long the row will be the sender's.
        on_end: Called once.
    """

    key: AccountKey
    lease_ms: int
    on_end: Callable[[Reservation, Ended], None]

    def take(self, tx: Tx, outbox_id: int, *, now_ms: int) -> OutboxRow | None:
        """Take a row of this transaction, if it is the head of its conversation."""
        return claims.take_new(tx, outbox_id, now_ms=now_ms, lease_ms=self.lease_ms)

    def written(self, row: OutboxRow | None) -> None:
        """The transaction is on disk; `row` is what `take` gave in it."""
        self.on_end(self, Ended(row=row))

    def failed(self, *, is_doubtful: bool) -> None:
        """It did not report that it is on disk."""
        self.on_end(self, Ended(is_doubtful=is_doubtful))
