"""The sender: takes messages from the outbox and gives them to their channels.

The rules of this file:

1. A row is `sending` on disk, with a lease and a fencing number, before its channel is asked.
   A process that dies in between leaves a row that the next start knows to doubt. Such a row
   is never sent again as if nothing had been: the service drops the repeat by its key, or is
   asked whether the key arrived, or the repeat says that it may be one.
2. One loop owns the rows. Each step of it is one transaction: results are written, what is too
   old dies, the next heads are taken. While a step waits for the disk, results of running
   attempts gather; so under load one commit serves many rows, and idle costs nothing. Only a
   new row may be taken outside of it: by the transaction that inserts it, with a `Reservation`.
3. Only the head of a conversation is ever taken, so messages of a conversation keep their
   order; a head that waits for its retry holds up its own conversation and no other. At most
   so many attempts run for one account, and so many in all.
4. An account that has trouble gets nothing. Waiting for it costs no attempts; only the time to
   live goes on, by the wall clock, also while the gateway is down.
5. A result is kept in memory until the disk has it. The attempt is not made again because the
   disk failed; the row stays in flight here, and the result is written when the disk is back.
6. If a commit does not report back, the rows it may have taken were given to nobody: the next
   step lets go of whatever is `sending` and not in flight here, then goes on. It waits for open
   reservations first, and none is given before: their rows are not in flight yet either.
7. Every attempt ends in bounded time (`attempt.py`). An outcome decides what follows, in a
   pure function (`backoff.py`).
8. A clock that jumps forward lets messages expire early, with a notice; one that jumps back is
   noticed, and times that lie too far ahead are brought near. Neither makes the loop spin.
9. What died is told by `outbox_notices.py`, from disk, so that a slow listener never holds up
   a message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from carapace.channels.outbox import claims
from carapace.channels.outbox.attempt import Attempter, BeforeSend, Tried, within
from carapace.channels.outbox.backoff import (
    GiveUp,
    RetryAt,
    RetryPolicy,
    Verdict,
    decide,
    outcome_of,
)
from carapace.channels.outbox.claims import Mark, Plan, Recovered, Taken
from carapace.channels.outbox.notices import Notices, OnDead
from carapace.channels.outbox.records import encode_outgoing, media_owner
from carapace.channels.outbox.reservation import Ended, Reservation
from carapace.channels.outbox.schedule import ClockWatch, Schedule
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import AccountKey, Attempt, OutboxRow, OutboxState
from carapace.channels.outbox.upkeep import (
    KEEP_DEAD_S,
    KEEP_DELIVERED_S,
    ReleaseMedia,
    Upkeep,
)
from carapace.channels.ports import Account
from carapace.channels.types import (
    ChannelInfo,
    Delivered,
    Outgoing,
    RetryAfter,
    SendOutcome,
    Unknown,
)
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError
from carapace.protocol.events import Publish
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.audit import Audit
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["AfterSend", "Sender", "SenderOptions"]

_log = get_logger(__name__)
_HEARTBEAT_S: Final = 5.0
_READY_POLL_S: Final = 0.25
_FIRST_STORE_PAUSE_S: Final = 0.1
_MAX_STORE_PAUSE_S: Final = 5.0
_IDLE_PAUSE_S: Final = 0.05

AfterSend = Callable[[OutboxRow, SendOutcome], Awaitable[None]]
"""Hears how an attempt ended, with the words as they were sent; what it raises is logged and
changes nothing."""


class SenderOptions(Value, frozen=True, kw_only=True):
    """How much at once, and for how long.

    Attributes:
        max_per_account: Attempts at once through one account.
        max_total: Attempts at once in all.
        send_timeout_s: Deadline of one call of a channel.
        grace_s: How long a call may take to end once it is cancelled.
        keep_delivered_s: How long delivered rows are kept.
        keep_dead_s: How long dead rows are kept.
        retry: How patient to be with failures.
    """

    max_per_account: int = 8
    max_total: int = 64
    send_timeout_s: float = 30.0
    grace_s: float = 2.0
    keep_delivered_s: float = KEEP_DELIVERED_S
    keep_dead_s: float = KEEP_DEAD_S
    retry: RetryPolicy = msgspec.field(default_factory=RetryPolicy)


class Sender:
    """Sends what is in the outbox. Start `run` as a task; `drain` before the database closes.

    Args:
        outbox: Wakes the sender.
        accounts: The running account of (channel, account), if there is one.
        infos: What a channel is and can.
        database: Where the rows are.
        clock: Wall time for rows, sleeps for the loop.
        metrics: Counts attempts.
        audit: Told of what died.
        publish: Told of what ended, as the event `delivery`.
        on_dead: Tells the owner and the agent.
        before_send: The hooks that may change or stop a message.
        after_send: The hooks that hear of an attempt.
        release_media: Lets go of the media of messages that are delivered or forgotten.
        options: Caps and deadlines.
        luck: Random numbers of [0, 1) for the jitter.
    """

    def __init__(
        self,
        outbox: Outbox,
        accounts: Callable[[str, str], Account | None],
        infos: Callable[[str], ChannelInfo | None],
        *,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        audit: Audit,
        publish: Publish,
        on_dead: OnDead,
        before_send: BeforeSend | None = None,
        after_send: AfterSend | None = None,
        release_media: ReleaseMedia | None = None,
        options: SenderOptions | None = None,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._after_send = after_send
        self._release_media = release_media
        self._options = options or SenderOptions()
        self._luck = luck
        self._tasks = Tasks("sender", _report)
        self._attempter = Attempter(
            accounts=accounts,
            infos=infos,
            tasks=self._tasks,
            save=self._save_screened,
            before_send=before_send,
            timeout_s=self._options.send_timeout_s,
            grace_s=self._options.grace_s,
        )
        self._notices = Notices(database, clock, on_dead, audit=audit, publish=publish)
        self._upkeep = Upkeep(
            database,
            clock,
            metrics,
            release_media=release_media,
            keep_delivered_s=self._options.keep_delivered_s,
            keep_dead_s=self._options.keep_dead_s,
        )
        self._schedule = Schedule(
            max_per_account=self._options.max_per_account, max_total=self._options.max_total
        )
        self._clock_watch = ClockWatch()
        self._results: list[Mark] = []
        self._reserved: set[Reservation] = set()
        self._none_reserved = asyncio.Event()
        self._blocked: tuple[AccountKey, ...] = ()
        self._is_woken = False
        self._bell = asyncio.Event()
        self._has_ended = asyncio.Event()
        self._is_running = False
        self._is_recovered = False
        self._is_draining = False
        self._reads_back = False
        self._turns_back = False
        self._store_failures = 0
        outbox.send_with(self._woken, self.reserve)

    @property
    def in_flight(self) -> int:
        """How many rows are with a channel, or have a result that is not on disk yet."""
        return len(self._schedule.in_flight)

    def check(self) -> str | None:
        """For readiness: why nothing is sent, or None."""
        if self._store_failures:
            return "the outbox cannot be written; nothing is sent until the disk takes it"
        return None

    async def recover(self) -> Recovered:
        """At start: doubt what the process before was sending. `run` does it if nobody did.

        Raises:
            Failed: If the database does not take it; nothing is sent before it does.
        """
        now_ms, max_wait_ms = self._clock.now_ms(), self._max_wait_ms()
        found = await self._database.write(
            lambda tx: claims.recover(tx, now_ms=now_ms, max_wait_ms=max_wait_ms)
        )
        self._is_recovered = True
        self._schedule.learn(found.accounts)
        if found.unknown:
            _log.warning(
                "messages were being sent when the gateway ended; they may have arrived",
                count=found.unknown,
            )
        return found

    async def run(self) -> None:
        """Send until `drain` has ended it, or cancelled."""
        self._is_running = True
        try:
            await self._recover_at_last()
            self._tasks.start(self._notices.run(), name="notices")
            self._tasks.start(self._upkeep.run(), name="upkeep")
            while not (self._is_draining and not self._has_more()):
                self._is_woken = False
                await self._pause(await self._step())
        finally:
            self._is_running = False
            await self._stop_tasks()
            self._has_ended.set()

    async def drain(self, deadline_s: float) -> bool:
        """Take nothing new, let attempts end, write their results; then `run` ends.

        What did not end in time stays `sending` on disk, and the next start doubts it.

        Returns:
            Whether everything ended by itself.
        """
        self._is_draining = True
        self._wake()
        if not self._is_running:
            return True
        try:
            async with asyncio.timeout(deadline_s):
                await self._has_ended.wait()
        except TimeoutError:
            _log.warning("messages were still being sent at the end", count=self.in_flight)
            return False
        return True

    def _has_more(self) -> bool:
        return bool(self._schedule.in_flight or self._reserved)

    async def _stop_tasks(self) -> None:
        """Cancel what still runs; a channel that does not even end then is left behind."""
        try:
            async with asyncio.timeout(self._options.grace_s):
                await self._tasks.close()
        except TimeoutError:
            _log.error("channels did not end when they were cancelled", count=len(self._tasks))

    # one step

    async def _recover_at_last(self) -> None:
        while not self._is_recovered and not self._is_draining:
            try:
                await self.recover()
            except Failed as error:
                self._store_failed(error)
                await self._clock.sleep(self._store_pause_s())
        self._store_works()

    async def _step(self) -> Taken | None:
        """Write results and take rows; None if the database did not take it."""
        while self._reads_back and self._reserved:
            self._none_reserved.clear()
            await self._none_reserved.wait()
        plan = self._plan()
        try:
            taken = await self._database.write(lambda tx: self._write(tx, plan))
        except Failed as error:
            self._reads_back = self._reads_back or error.retryable is False
            self._store_failed(error)
            return None
        except Exception as error:  # noqa: BLE001 - one bad step must not end all sending
            self._store_failed(error)
            return None
        self._store_works()
        self._reads_back = self._turns_back = False
        self._settle(plan, taken)
        self._begin(taken)
        return taken

    def _plan(self) -> Plan:
        now_ms = self._clock.now_ms()
        grants: tuple[claims.Grant, ...] = ()
        self._blocked = ()
        if self._clock_watch.turned_back(now_ms, self._clock.monotonic()):
            # Kept until a step has done it: the clock is seen to jump only once.
            self._turns_back = True
        if not self._is_draining:
            round_ = self._schedule.round(self._is_ready)
            grants, self._blocked = round_.grants, round_.blocked
        return Plan(
            now_ms=now_ms,
            lease_ms=self._lease_ms(),
            max_wait_ms=self._max_wait_ms(),
            marks=tuple(self._results),
            grants=grants,
            in_flight=self._schedule.in_flight,
            reads_back=self._reads_back,
            turns_back=self._turns_back,
            has_reserved=bool(self._reserved),
        )

    def _write(self, tx: Tx, plan: Plan) -> Taken:
        taken = claims.step(tx, plan)
        if self._release_media is not None:
            for row in taken.ended:
                if row.state is OutboxState.DELIVERED and (
                    row.outgoing is None or row.outgoing.media
                ):
                    self._release_media(tx, media_owner(row.outbox_id))
        return taken

    def _settle(self, plan: Plan, taken: Taken) -> None:
        """The results of `plan` are on disk."""
        del self._results[: len(plan.marks)]
        for mark in plan.marks:
            self._schedule.end(mark.row)
        for mark in taken.fenced:
            _log.error("a result came after its row was taken again", outbox_id=mark.row.outbox_id)
        for row in taken.ended:
            self._notices.tell(row)
        if plan.reads_back:
            self._notices.wake()

    def _begin(self, taken: Taken) -> None:
        for row in taken.rows:
            self._schedule.begin(row)
        for row in taken.rows:
            self._tasks.start(self._send(row), name=f"message {row.outbox_id}")

    # rows that are taken where they are inserted

    def reserve(self, key: AccountKey) -> Reservation | None:
        """A place for a new row, if nothing speaks against sending it at once."""
        works = self._is_running and self._is_recovered and not self._is_draining
        if not works or self._reads_back or self._store_failures or not self._is_ready(key):
            return None
        if not self._schedule.reserve(key):
            return None
        place = Reservation(key=key, lease_ms=self._lease_ms(), on_end=self._reservation_ended)
        self._reserved.add(place)
        return place

    def _reservation_ended(self, place: Reservation, ended: Ended) -> None:
        self._reserved.remove(place)
        self._schedule.give_back(place.key)
        self._reads_back = self._reads_back or ended.is_doubtful
        if not self._reserved:
            self._none_reserved.set()
        if ended.row is not None and self._is_running:
            self._schedule.begin(ended.row)
            self._tasks.start(self._send(ended.row), name=f"message {ended.row.outbox_id}")
        if ended.row is None or self._is_draining:
            self._woken((place.key,))

    # one attempt

    async def _send(self, row: OutboxRow) -> None:
        started_ms, started_s = self._clock.now_ms(), self._clock.monotonic()
        try:
            tried = await self._attempter.attempt(row)
        except Exception as error:  # noqa: BLE001 - a row in flight must get a result
            # A fault of ours; whether the channel was asked is not known any more.
            _log.exception("an attempt broke", outbox_id=row.outbox_id)
            tried = Tried(outcome=Unknown(reason=f"the sender broke ({error})"), may_be_repeat=True)
        self._metrics.outbox_attempt_seconds.observe(self._clock.monotonic() - started_s)
        self._metrics.outbox_sent.labels(outcome_of(tried.outcome)).inc()
        self._results.append(self._mark(row, tried, started_ms))
        self._schedule.answered(row)
        self._wake()
        if self._after_send is not None:
            said = row if tried.said is None else replace(row, outgoing=tried.said)
            await self._call_after_send(self._after_send, said, tried.outcome)

    def _mark(self, row: OutboxRow, tried: Tried, started_ms: int) -> Mark:
        now_ms = self._clock.now_ms()
        outcome = tried.outcome
        return Mark(
            row=row,
            verdict=self._verdict(row, tried, now_ms),
            attempt=Attempt(
                attempt=row.attempts,
                started_at_ms=started_ms,
                ended_at_ms=now_ms,
                outcome=outcome_of(outcome),
                reason=None if isinstance(outcome, Delivered) else outcome.reason,
            ),
            may_be_repeat=tried.may_be_repeat,
            is_screened=tried.is_screened,
        )

    def _verdict(self, row: OutboxRow, tried: Tried, now_ms: int) -> Verdict:
        if not tried.was_asked and isinstance(tried.outcome, RetryAfter):
            return RetryAt(at_ms=now_ms, reason=tried.outcome.reason, is_failure=False)
        verdict = decide(
            tried.outcome,
            failures=row.failures,
            may_be_repeat=tried.may_be_repeat,
            can_tell=self._attempter.can_tell(row.channel),
            now_ms=now_ms,
            expires_at_ms=row.expires_at_ms,
            policy=self._options.retry,
            luck=self._luck,
        )
        if isinstance(verdict, GiveUp) and tried.cause is not None:
            return GiveUp(cause=tried.cause, reason=verdict.reason)
        return verdict

    async def _call_after_send(self, hook: AfterSend, row: OutboxRow, outcome: SendOutcome) -> None:
        try:
            await within(
                _awaited(hook(row, outcome)),
                name="after-send",
                tasks=self._tasks,
                timeout_s=self._options.send_timeout_s,
                grace_s=self._options.grace_s,
            )
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            _log.error("a hook on sent messages broke", error=repr(error))

    async def _save_screened(self, row: OutboxRow, outgoing: Outgoing) -> bool:
        text = encode_outgoing(outgoing)
        return await self._database.write(lambda tx: claims.save_screened(tx, row, text))

    # waiting

    def _woken(self, keys: tuple[AccountKey, ...]) -> None:
        self._schedule.learn(keys)
        self._wake()

    def _wake(self) -> None:
        self._is_woken = True
        self._bell.set()

    def _is_ready(self, key: AccountKey) -> bool:
        return self._attempter.trouble(key) is None

    async def _pause(self, taken: Taken | None) -> None:
        """Until there is something to do, or might be."""
        if taken is None:
            await self._clock.sleep(self._store_pause_s())
            return
        if self._is_draining:
            if self._has_more():
                await self._wait(_HEARTBEAT_S)
            return
        if self._schedule.learn(taken.accounts):
            return
        left_s = _HEARTBEAT_S
        if taken.next_at_ms is not None:
            # Never below a pause: a step that could do nothing must not be repeated at once.
            due_s = (taken.next_at_ms - self._clock.now_ms()) / 1000
            did_something = taken.rows or taken.ended
            left_s = min(left_s, max(due_s, 0.0 if did_something else _IDLE_PAUSE_S))
        while left_s > 0 and not self._is_woken and not self._became_ready():
            nap_s = min(left_s, _READY_POLL_S) if self._blocked else left_s
            await self._wait(nap_s)
            left_s -= nap_s

    def _became_ready(self) -> bool:
        return any(self._is_ready(key) for key in self._blocked)

    async def _wait(self, delay_s: float) -> None:
        """Until woken, at most `delay_s`."""
        if self._is_woken:
            return
        self._bell.clear()
        alarm = self._tasks.start(self._ring(delay_s), name="alarm")
        try:
            await self._bell.wait()
        finally:
            alarm.cancel()

    async def _ring(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._bell.set()

    # trouble with the disk

    def _store_pause_s(self) -> float:
        exponent = min(self._store_failures - 1, 10)
        return min(_MAX_STORE_PAUSE_S, _FIRST_STORE_PAUSE_S * 2**exponent)

    def _store_failed(self, error: Exception) -> None:
        self._store_failures += 1
        if self._store_failures == 1:
            reason = error.message if isinstance(error, GatewayError) else repr(error)
            _log.error("sending pauses: the outbox cannot be written", reason=reason)

    def _store_works(self) -> None:
        if self._store_failures:
            _log.info("sending goes on: the outbox can be written again")
        self._store_failures = 0

    def _lease_ms(self) -> int:
        options = self._options
        # Hooks, a look-up and the send have a deadline each; then the result has to be written.
        calls_s = 3 * (options.send_timeout_s + options.grace_s)
        return round(1000 * (calls_s + 2 * _MAX_STORE_PAUSE_S))

    def _max_wait_ms(self) -> int:
        policy = self._options.retry
        return round(1000 * max(policy.cap_s, policy.max_retry_after_s))


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _report(name: str, error: BaseException) -> None:
    _log.error("a task of the sender died", task=name, error=repr(error))
