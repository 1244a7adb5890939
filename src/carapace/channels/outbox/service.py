"""The outbox: messages to chat services, on disk before anybody relies on them.

`put` is for messages on their own. What belongs to a larger transaction uses
`outbox_records.insert` there and calls `notify` once that is on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.channels.outbox import records
from carapace.channels.outbox.reservation import Reservation
from carapace.channels.outbox.types import (
    AccountKey,
    Attempt,
    OutboxCounts,
    OutboxPage,
    OutboxQuery,
    OutboxRow,
    OutboxState,
    Queued,
)
from carapace.channels.types import Outgoing, Target
from carapace.clock import Clock
from carapace.errors import Failed, Refused
from carapace.provenance import Provenance
from carapace.store.ports import Database, Tx
from carapace.value import Value

__all__ = ["DEFAULT_TTL_S", "KeepMedia", "Outbox", "OutboxDetail"]

DEFAULT_TTL_S: Final = 3_600.0
"""How long a message may wait; an answer that is older would only confuse."""

Wake = Callable[[tuple[AccountKey, ...]], None]
Reserve = Callable[[AccountKey], Reservation | None]
KeepMedia = Callable[[Tx, str, str], object]
"""Notes in the transaction that a file (media id) is needed by an owner; False if it is gone."""


class OutboxDetail(Value, frozen=True, kw_only=True):
    """One row and the newest of its ended attempts, oldest first."""

    row: OutboxRow
    attempts: tuple[Attempt, ...]


class Outbox:
    """What waits, was sent, or was given up.

    Args:
        database: Where the rows are.
        clock: Dates them.
        ttl_s: How long a message may wait from now on, unless `put` says otherwise.
        keep_media: Keeps the files of a message for as long as it is listed.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        ttl_s: float = DEFAULT_TTL_S,
        keep_media: KeepMedia | None = None,
    ) -> None:
        self._keep_media = keep_media
        self._database = database
        self._clock = clock
        self._ttl_s = ttl_s
        self._wake: Wake | None = None
        self._reserve: Reserve | None = None

    @property
    def ttl_s(self) -> float:
        """How long a message may wait."""
        return self._ttl_s

    def apply(self, *, ttl_s: float) -> None:
        """Take a new time to live; rows that wait keep theirs."""
        self._ttl_s = ttl_s

    def send_with(self, wake: Wake, reserve: Reserve) -> None:
        """Call `wake` whenever something was put; both are the sender's, of which there is one."""
        self._wake, self._reserve = wake, reserve

    def notify(self, *keys: AccountKey) -> None:
        """Rows were inserted elsewhere, or an account became ready; `keys` names which."""
        if self._wake is not None:
            self._wake(keys)

    def reserve(self, key: AccountKey) -> Reservation | None:
        """A place for a row that is about to be inserted elsewhere, if the sender has one free.

        End it right after that transaction, whatever became of it.
        """
        return None if self._reserve is None else self._reserve(key)

    async def put(
        self,
        outgoing: Outgoing,
        *,
        provenance: Provenance,
        run_id: str | None = None,
        ttl_s: float | None = None,
        group: str | None = None,
    ) -> Queued:
        """Write a message down; when this returns it will be sent, or die with a notice.

        The same idempotency key again changes nothing.

        Raises:
            Refused: If a file of it is not there any more.
            Failed: If it could not be written. Call again with the same key.
        """
        now_ms = self._clock.now_ms()
        expires_at_ms = now_ms + round(1000 * (self._ttl_s if ttl_s is None else ttl_s))

        def insert_outgoing(tx: Tx) -> Queued:
            made = records.insert(
                tx,
                outgoing,
                provenance=provenance,
                run_id=run_id,
                created_at_ms=now_ms,
                expires_at_ms=expires_at_ms,
                group=group,
            )
            if made is not None:
                self._keep(tx, outgoing.media, made)
            found = made or records.find_key(tx, outgoing.idempotency_key)
            if found is None:  # pragma: no cover - the conflict above is in the same transaction
                msg = "a key that was neither new nor there"
                raise RuntimeError(msg)
            return Queued(outbox_id=found, is_new=made is not None)

        try:
            queued = await self._database.write(insert_outgoing)
        except Failed as error:
            if error.retryable is not False:
                raise
            # The outcome is unknown. The key makes doing it again harmless, and only a commit
            # that succeeds says that it is on disk.
            queued = await self._database.write(insert_outgoing)
        self.notify((outgoing.target.channel, outgoing.target.account))
        return queued

    def _keep(self, tx: Tx, media: tuple[str, ...], outbox_id: int) -> None:
        """Keep the files of a row; taking part in the transaction that makes it."""
        if self._keep_media is None:
            return
        for media_id in media:
            if self._keep_media(tx, media_id, records.media_owner(outbox_id)) is False:
                raise Refused(
                    "A file of the message is not there any more: send it again.",
                    details={"mediaId": media_id},
                )

    async def find(self, idempotency_key: str) -> int | None:
        """The message that was put with this key, if there is one."""
        return await self._database.read(lambda tx: records.find_key(tx, idempotency_key))

    async def page(self, query: OutboxQuery) -> OutboxPage:
        """Rows, newest first."""
        return await self._database.read(lambda tx: records.page(tx, query))

    async def get(self, outbox_id: int) -> OutboxDetail | None:
        """One row with its attempts."""

        def read_detail(tx: Tx) -> OutboxDetail | None:
            row = records.find(tx, outbox_id)
            if row is None:
                return None
            return OutboxDetail(row=row, attempts=records.attempts_of(tx, outbox_id))

        return await self._database.read(read_detail)

    async def counts(self) -> OutboxCounts:
        """How much is there."""
        return await self._database.read(records.counts)

    async def waiting(self, target: Target) -> int:
        """How many messages to `target`'s conversation are not ended."""
        return await self._database.read(
            lambda tx: records.waiting_in(
                tx,
                channel=target.channel,
                account=target.account,
                conversation=target.conversation,
            )
        )

    async def retry(self, outbox_id: int) -> OutboxRow:
        """Send a dead or waiting message now, with a new time to live.

        Parts of the same answer that died with it come along. If it may have arrived, it is
        sent as a possible repeat.

        Raises:
            Refused: If there is no such message, or it is delivered or being sent.
        """
        now_ms = self._clock.now_ms()
        expires_at_ms = now_ms + round(1000 * self._ttl_s)

        def retry_row(tx: Tx) -> OutboxRow:
            row = _existing(tx, outbox_id)
            after = None
            if row.state is not OutboxState.DELIVERED:
                after = records.retry(tx, row, now_ms=now_ms, expires_at_ms=expires_at_ms)
            if after is None:
                raise Refused(f"Message {outbox_id} is {_busy(row)}, so it is not sent again.")
            return after

        row = await self._database.write(retry_row)
        self.notify(row.account_key)
        return row

    async def drop(self, outbox_id: int, reason: str) -> OutboxRow:
        """Give a waiting message up; it stays listed as dead, with `reason`.

        Raises:
            Refused: If there is no such message, it has ended, or it is being sent.
        """
        now_ms = self._clock.now_ms()

        def drop_row(tx: Tx) -> OutboxRow:
            row = _existing(tx, outbox_id)
            if row.state not in {OutboxState.WAITING, OutboxState.UNKNOWN}:
                raise Refused(f"Message {outbox_id} is {_busy(row)}, so it cannot be dropped.")
            return records.drop(tx, row, reason=reason, now_ms=now_ms)[0]

        row = await self._database.write(drop_row)
        self.notify(row.account_key)
        return row


def _existing(tx: Tx, outbox_id: int) -> OutboxRow:
    row = records.find(tx, outbox_id)
    if row is None:
        raise Refused(
            f"There is no message {outbox_id} in the outbox; it may have been forgotten since. "
            "List the outbox for the numbers that are there."
        )
    return row


def _busy(row: OutboxRow) -> str:
    if row.state is OutboxState.SENDING:
        return "being sent right now"
    return "delivered already" if row.state is OutboxState.DELIVERED else "dead already"
