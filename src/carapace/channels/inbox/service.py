"""`Inbox`: what came in is on disk before anybody is told that we have it.

`put` returns when the row is durable. Whoever works at the rows asks `take` for what is due and
waits with `due`; both follow memory, not a poll. Rows end in the transaction of the turn that
answers them (`inbox_records.ack`); memory hears of it by `release`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carapace.channels.inbox import pending, records
from carapace.channels.inbox.batch import Batch, FreshBatches
from carapace.channels.inbox.records import InboxQuery, InboxRow, InboxState, NewRow
from carapace.channels.inbox.waiting import DueLane, WaitingLanes
from carapace.clock import Clock
from carapace.errors import GatewayError, Refused
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = [
    "KEEP_BODIES_MS",
    "KEEP_ROWS_MS",
    "MAX_WAITING",
    "MAX_WAITING_PER_LANE",
    "Inbox",
    "ReleaseMedia",
]

MAX_WAITING: Final = 100_000
MAX_WAITING_PER_LANE: Final = 1_000
KEEP_BODIES_MS: Final = 7 * 24 * 3_600_000
KEEP_ROWS_MS: Final = 30 * 24 * 3_600_000
_PRUNE_S: Final = 3_600.0
_LONGEST_WAIT_S: Final = 60.0
_RETRY_MS: Final = 5_000
_UNREADABLE: Final = "what was kept of it cannot be read, so nothing may act on it"
_log = get_logger(__name__)


ReleaseMedia = Callable[[Tx, str], object]
"""Lets go, in the transaction, of all files that an owner (text) needed."""


class Inbox:
    """The messages that came in.

    Args:
        database: Where they are kept.
        clock: For times.
        metrics: Shows how many wait and counts dead letters.
        release_media: Called in the transaction that forgets a message, with the owner under
            which its files were kept (`inbox-<id>`).
        max_waiting: Rows that have not ended, over all conversations.
        max_waiting_per_lane: The same of one conversation.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        metrics: Metrics,
        release_media: ReleaseMedia | None = None,
        max_waiting: int = MAX_WAITING,
        max_waiting_per_lane: int = MAX_WAITING_PER_LANE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._release_media = release_media
        self._max_waiting = max_waiting
        self._max_waiting_per_lane = max_waiting_per_lane
        self._lanes = WaitingLanes()
        self._tasks = Tasks("inbox", _report)
        self._woken = asyncio.Event()
        self._is_stale = False
        self._while_loading: list[tuple[str, str]] | None = None
        self._fresh = FreshBatches()

    @property
    def waiting(self) -> int:
        """Rows that have not ended, as far as memory knows."""
        return self._lanes.rows

    def has_waiting(self, lane: str) -> bool:
        """Whether rows of a lane have not ended, as far as memory knows."""
        return self._lanes.rows_of(lane) > 0

    async def load(self) -> None:
        """Learn from the disk what waits; call after recovery, before `take`."""
        came: list[tuple[str, str]] = []
        self._while_loading = came
        try:
            # A write, though it changes nothing: it stands behind every write before it.
            found = await self._database.write(records.lanes)
        finally:
            self._while_loading = None
        now_s, now_ms = self._clock.monotonic(), self._clock.now_ms()
        self._is_stale = False
        self._fresh.clear()
        self._lanes.load(
            (one.lane, one.waiting, now_s + _until(one.due_at_ms - now_ms)) for one in found
        )
        for lane, sender in came:
            # Maybe counted twice, which the next look at the lane mends.
            self._lanes.add(lane, sender=sender, wait_s=0.0, now_s=now_s)
        self._changed()

    # ---- in ----

    def check_room(self, lane: str) -> None:
        """Refuse what could not be kept.

        Raises:
            Refused: If too many wait, in all or in this lane; retryable.
        """
        if self._lanes.rows >= self._max_waiting:
            raise Refused(
                f"{self._max_waiting} messages wait for an answer already; send it again later",
                retryable=True,
                retry_after_ms=_RETRY_MS,
            )
        if self._lanes.rows_of(lane) >= self._max_waiting_per_lane:
            raise Refused(
                f"{self._max_waiting_per_lane} messages of this conversation wait for an answer "
                "already; send it again later",
                retryable=True,
                retry_after_ms=_RETRY_MS,
            )

    async def put(
        self, new: NewRow, *, wait_s: float = 0.0, also: Callable[[Tx, int], None] | None = None
    ) -> int | None:
        """Write a message down; when this returns a number, nothing can lose it.

        Args:
            new: The message.
            wait_s: How long to wait for more of the same person.
            also: What else belongs into the transaction; gets the new row's id.

        Returns:
            The row's id; None if the message was there already.

        Raises:
            Refused: See `check_room`.
            Failed: If it could not be written down.
        """
        self.check_room(new.lane)
        is_next = wait_s <= 0 and not self.has_waiting(new.lane)

        def work(tx: Tx) -> tuple[int, Batch | None] | None:
            inbox_id = records.insert(tx, new)
            if inbox_id is None:
                return None
            if also is not None:
                also(tx, inbox_id)
            return inbox_id, _read(tx, new.lane) if is_next else None

        try:
            found = await self._database.write(work)
        except BaseException:
            # It may be on disk all the same.
            self._is_stale = True
            self._woken.set()
            raise
        if found is None:
            return None
        inbox_id, batch = found
        if batch is not None and batch.inbox_ids == (inbox_id,):
            # Another row may have come first, and be answered by the time this one is known of.
            self._fresh.keep(new.lane, batch, now_s=self._clock.monotonic())
        self._add(new.lane, new.message.sender.id, wait_s)
        return inbox_id

    def _add(self, lane: str, sender: str, wait_s: float) -> None:
        if self._while_loading is not None:
            self._while_loading.append((lane, sender))
        self._lanes.add(lane, sender=sender, wait_s=wait_s, now_s=self._clock.monotonic())
        self._changed()

    # ---- out ----

    async def due(self) -> None:
        """Wait until `take` may find something, or `wake` was called."""
        due_s, now_s = self._lanes.next_due_s(), self._clock.monotonic()
        if self._is_stale or (due_s is not None and due_s <= now_s):
            return
        self._woken.clear()
        if due_s is None:
            await self._woken.wait()
            return
        alarm = self._tasks.start(self._ring(due_s - now_s), name="alarm")
        try:
            await self._woken.wait()
        finally:
            alarm.cancel()

    def wake(self) -> None:
        """Let `due` return."""
        self._woken.set()

    async def _ring(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._woken.set()

    async def take(self, limit: int) -> list[Batch]:
        """Up to `limit` batches that are due; their lanes are held until `release`.

        Raises:
            Failed: If the disk cannot be read; the lanes are due again.
        """
        if self._is_stale:
            await self.load()
        now_s = self._clock.monotonic()
        due = self._lanes.take(now_s, limit)
        if not due:
            return []
        known = {one.name: self._fresh_batch(one.name, now_s) for one in due}
        if all(known.values()):
            return [batch for batch in known.values() if batch is not None]
        try:
            found = await self._database.read(
                lambda tx: [(one, _read(tx, one.name)) for one in due]
            )
        except BaseException:
            now_s = self._clock.monotonic()
            for one in due:
                self._lanes.release(one.name, now_s=now_s, after_s=1.0)
            raise
        return [batch for one, batch in found if await self._is_sound(one, batch)]

    def _fresh_batch(self, lane: str, now_s: float) -> Batch | None:
        """The lane's rows as `put` saw them, if they are all it has."""
        batch = self._fresh.take(lane, now_s=now_s)
        if batch is None or len(batch.rows) != self._lanes.rows_of(lane):
            return None
        return batch if all(row.message is not None for row in batch.rows) else None

    async def _is_sound(self, due: DueLane, batch: Batch) -> bool:
        """Whether there is something to answer; what cannot be read becomes a dead letter."""
        if not batch.rows:
            self._lanes.drop(due, now_s=self._clock.monotonic())
            self._metrics.inbox_waiting.set(self._lanes.rows)
            return False
        broken = [row.inbox_id for row in batch.rows if row.message is None]
        if not broken:
            return True
        _log.error("inbox rows are unreadable", rows=broken)
        try:
            await self.kill(broken, reason=_UNREADABLE)
        finally:
            self._lanes.end(due.name, len(broken))
            self._lanes.release(due.name, now_s=self._clock.monotonic())
        return False

    def release(self, batch: Batch, *, ended: bool, after_s: float = 0.0) -> None:
        """Nobody works at a batch any more.

        Args:
            batch: As `take` gave it.
            ended: Its rows were answered, or are dead; else they wait again.
            after_s: How long its lane rests first.
        """
        if ended:
            self._lanes.end(batch.head.lane, len(batch.rows))
        self._lanes.release(batch.head.lane, now_s=self._clock.monotonic(), after_s=after_s)
        self._changed()

    async def begin(self, batch: Batch) -> None:
        """Count a start before work that might bring the process down, and fix its context."""
        ids, run_id, context = batch.inbox_ids, batch.run_id, batch.context

        def work(tx: Tx) -> None:
            records.start(tx, ids, run_id=run_id)
            if context is not None:
                records.keep_context(tx, ids[0], context.through)

        await self._database.write(work)

    async def put_back(self, batch: Batch) -> None:
        """A turn came to nothing through no fault of the message: its start does not count."""
        ids = batch.inbox_ids
        await self._database.write(lambda tx: records.put_back(tx, ids))

    # ---- for people ----

    async def kill(self, inbox_ids: list[int], *, reason: str) -> None:
        """Make rows dead letters, with a reason for people."""
        now_ms = self._clock.now_ms()
        killed = await self._database.write(
            lambda tx: records.kill(tx, inbox_ids, reason=reason, now_ms=now_ms)
        )
        self.count_dead(killed)

    def count_dead(self, rows: int) -> None:
        """So many rows became dead letters."""
        self._metrics.inbox_dead.inc(rows)

    async def replay(self, inbox_id: int) -> InboxRow:
        """Let a dead letter be answered after all, as a new run.

        Raises:
            Refused: If there is no such row, or it is no dead letter.
        """
        now_ms = self._clock.now_ms()
        row = await self._database.write(lambda tx: records.replay(tx, inbox_id, now_ms=now_ms))
        if row is None:
            raise Refused(
                f"There is no dead letter {inbox_id} in the inbox. List them with state `dead`, "
                "and choose one of those."
            )
        self._add(row.lane, row.sender_id, 0.0)
        return row

    async def get(self, inbox_id: int) -> InboxRow | None:
        """The row of that id."""
        return await self._database.read(lambda tx: records.find(tx, inbox_id))

    async def page(self, query: InboxQuery) -> list[InboxRow]:
        """The rows that fit, the newest first."""
        return await self._database.read(lambda tx: records.page(tx, query))

    async def counts(self) -> dict[InboxState, int]:
        """How many rows stand where."""
        return await self._database.read(records.counts)

    async def prune(self) -> int:
        """Forget what was answered long ago; how many rows went.

        Texts of answered messages stay a week, the rows a month: so long is a message that
        comes again known to be a repeat.
        """
        now_ms, release = self._clock.now_ms(), self._release_media
        bodies_ms, rows_ms = now_ms - KEEP_BODIES_MS, now_ms - KEEP_ROWS_MS

        def work(tx: Tx) -> int:
            if release is not None:
                old = records.with_files(tx, bodies_before_ms=bodies_ms, rows_before_ms=rows_ms)
                for inbox_id in old:
                    release(tx, f"inbox-{inbox_id}")
            return records.prune(tx, bodies_before_ms=bodies_ms, rows_before_ms=rows_ms)

        return await self._database.write(work)

    def keep_tidy(self) -> None:
        """Prune now and every hour, until `aclose`."""
        self._tasks.start(self._prune_always(), name="prune")

    async def _prune_always(self) -> None:
        while True:
            try:
                await self.prune()
            except GatewayError as error:
                _log.warning("the inbox was not pruned", reason=error.message)
            await self._clock.sleep(_PRUNE_S)

    async def aclose(self) -> None:
        """End what waits for time to pass."""
        await self._tasks.close()

    def _changed(self) -> None:
        self._metrics.inbox_waiting.set(self._lanes.rows)
        self._woken.set()


def _read(tx: Tx, lane: str) -> Batch:
    """What is next in a lane, and what was said there before."""
    rows = records.batch(tx, lane)
    if not rows:
        return Batch(())
    return Batch(rows, pending.context(tx, lane, through=rows[0].context_through))


def _until(left_ms: int) -> float:
    """Seconds until a row is due; a clock that jumped must not hold it back for long."""
    return min(max(left_ms, 0) / 1000, _LONGEST_WAIT_S)


def _report(task: str, error: BaseException) -> None:
    _log.error("inbox task died", task=task, exc_info=error)
