"""The outbox under any sequence of puts, outcomes, crashes and clock jumps.

A service that takes words or does not, whatever it answers, is driven through the real rules:
rows, attempts and backoff. Whatever happens: a conversation keeps its order, nothing is lost,
and no second copy arrives that does not say so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec.structs import replace

from carapace.channels.outbox import records
from carapace.channels.outbox.attempt import Attempter
from carapace.channels.outbox.backoff import (
    GiveUp,
    RetryAt,
    RetryPolicy,
    Verdict,
    decide,
    outcome_of,
)
from carapace.channels.outbox.claims import Mark, Plan, recover, step, take_new
from carapace.channels.outbox.schedule import ClockWatch, Schedule
from carapace.channels.outbox.types import Attempt, Cause, OutboxRow, OutboxState
from carapace.channels.types import (
    ChannelInfo,
    Dead,
    Delivered,
    Outgoing,
    RetryAfter,
    Unknown,
)
from carapace.store.ports import Tx
from carapace.tasks import Tasks
from support.outbox import BLIND, DROPS, LOOKS_UP, invariants, memory_tx, put
from support.recording_channel import RecordingAccount, RecordingIntake, Step

pytestmark = pytest.mark.slow

POLICY = RetryPolicy(max_attempts=6, max_repeats=4)
TTL_MS = 3_600_000
MAX_WAIT_MS = 3_600_000
ACCOUNT = ("recording", "default")
OUTCOMES = {
    "delivered": Step(Delivered(message_id="m")),
    "busy": Step(RetryAfter(reason="busy"), arrives=False),
    "slow": Step(RetryAfter(reason="slow", after_s=100), arrives=False),
    "lost before": Step(Unknown(reason="reset"), arrives=False),
    "lost after": Step(Unknown(reason="reset"), arrives=True),
    "refused": Step(Dead(reason="no"), arrives=False),
}


class OutboxMachine(RuleBasedStateMachine):
    """One gateway that dies and comes back, one account, four conversations."""

    tx: Tx
    account: RecordingAccount

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_000
        self.uptime_s = 0.0
        self.count = 0
        self.order: dict[str, list[str]] = {}
        self.handled: set[str] = set()
        self.told: Counter[int] = Counter()
        self.results: list[Mark] = []

    @initialize(info=st.sampled_from([BLIND, DROPS, LOOKS_UP]))
    def begin(self, info: ChannelInfo) -> None:
        self.tx = memory_tx()
        self.info = info
        self.account = RecordingAccount(info, "default", RecordingIntake())
        self._boot()

    def _boot(self) -> None:
        """A new process: nothing but the rows is left."""
        self.results = []
        self.taken: list[OutboxRow] = []
        self.reads_back = False
        self.places: list[OutboxRow | None] = []
        self.schedule = Schedule(max_per_account=3, max_total=3)
        self.watch = ClockWatch()
        self.attempter = Attempter(
            accounts=lambda channel, account: self.account,
            infos=lambda channel: self.info,
            tasks=Tasks("machine", lambda name, error: None),
            save=self._never_saved,
            before_send=None,
            timeout_s=5.0,
            grace_s=0.1,
        )
        found = recover(self.tx, now_ms=self.now_ms, max_wait_ms=MAX_WAIT_MS)
        self.schedule.learn(found.accounts)

    async def _never_saved(self, row: OutboxRow, outgoing: Outgoing) -> bool:
        raise AssertionError

    @rule(conversation=st.sampled_from("abcd"), part=st.booleans())
    def enqueue(self, conversation: str, part: bool) -> None:
        self.count += 1
        key = f"{conversation}{self.count:04}"
        group = f"group {conversation}" if part else None
        put(self.tx, key, conversation, at_ms=self.now_ms, ttl_ms=TTL_MS, group=group)
        self.order.setdefault(conversation, []).append(key)

    @precondition(lambda self: not self.reads_back)
    @rule(conversation=st.sampled_from("abcd"), is_written=st.booleans())
    def insert_in_place(self, conversation: str, is_written: bool) -> None:
        """Another transaction inserts a row and takes it; whoever made it has not heard yet."""
        if not self.schedule.reserve(ACCOUNT):
            return
        if not is_written:
            self.places.append(None)
            return
        self.count += 1
        key = f"{conversation}{self.count:04}"
        made = put(self.tx, key, conversation, at_ms=self.now_ms, ttl_ms=TTL_MS)
        self.order.setdefault(conversation, []).append(key)
        self.places.append(take_new(self.tx, made, now_ms=self.now_ms, lease_ms=60_000))

    @precondition(lambda self: self.places)
    @rule(is_heard=st.booleans())
    def end_a_reservation(self, is_heard: bool) -> None:
        row = self.places.pop(0)
        self.schedule.give_back(ACCOUNT)
        if not is_heard:
            self.reads_back = True
        elif row is not None:
            self.schedule.begin(row)
            self.taken.append(row)

    @precondition(lambda self: not (self.reads_back and self.places))
    @rule(unheard=st.sampled_from([None, None, None, "written", "not written"]))
    def take_a_step(self, unheard: str | None) -> None:
        """One transaction; sometimes its commit does not report back."""
        self.schedule.learn([ACCOUNT])
        plan = Plan(
            now_ms=self.now_ms,
            lease_ms=60_000,
            max_wait_ms=MAX_WAIT_MS,
            marks=tuple(self.results),
            grants=self.schedule.round(lambda key: True).grants,
            in_flight=self.schedule.in_flight,
            reads_back=self.reads_back,
            turns_back=self.watch.turned_back(self.now_ms, self.uptime_s),
            has_reserved=bool(self.places),
        )
        if unheard == "not written":
            self.reads_back = True
            return
        done = step(self.tx, plan)
        if unheard == "written":
            self.reads_back = True
            return
        self.reads_back = False
        assert done.fenced == ()
        self.results = []
        for mark in plan.marks:
            self.schedule.end(mark.row)
        for row in done.ended:
            self.told[row.outbox_id] += 1
        for row in done.rows:
            self.schedule.begin(row)
            self.taken.append(row)

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), name=st.sampled_from(sorted(OUTCOMES)))
    def attempt(self, data: st.DataObject, name: str) -> None:
        row = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.account._steps.clear()
        self.account.script(OUTCOMES[name])
        tried = asyncio.run(self.attempter.attempt(row))
        verdict = decide(
            tried.outcome,
            failures=row.failures,
            may_be_repeat=tried.may_be_repeat,
            can_tell=self.attempter.can_tell("recording"),
            now_ms=self.now_ms,
            expires_at_ms=row.expires_at_ms,
            policy=POLICY,
            luck=lambda: 0.5,
        )
        self._check_verdict(row, verdict)
        attempt = Attempt(
            attempt=row.attempts,
            started_at_ms=self.now_ms,
            ended_at_ms=self.now_ms,
            outcome=outcome_of(tried.outcome),
        )
        self.results.append(
            Mark(row=row, verdict=verdict, attempt=attempt, may_be_repeat=tried.may_be_repeat)
        )
        self.schedule.answered(row)

    def _check_verdict(self, row: OutboxRow, verdict: Verdict) -> None:
        match verdict:
            case Delivered():
                assert row.idempotency_key in {one.idempotency_key for one in self.account.seen}
            case RetryAt(at_ms=at_ms):
                assert self.now_ms <= at_ms < row.expires_at_ms
            case GiveUp(cause=cause):
                assert cause in {Cause.REFUSED, Cause.EXHAUSTED, Cause.EXPIRED}

    @rule()
    def crash(self) -> None:
        self._boot()

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), arrives=st.booleans())
    def crash_while_sending(self, data: st.DataObject, arrives: bool) -> None:
        """The words leave, or do not, and nobody lives to hear the answer."""
        row = self.taken[data.draw(st.integers(0, len(self.taken) - 1))]
        self.account._steps.clear()
        self.account.script(Step(Unknown(reason="killed"), arrives=arrives))
        asyncio.run(self.attempter.attempt(row))
        self._boot()

    @rule(delay_ms=st.sampled_from([1, 1_000, 60_000, 600_000]))
    def wait(self, delay_ms: int) -> None:
        self.now_ms += delay_ms
        self.uptime_s += delay_ms / 1000

    @rule(jump_ms=st.sampled_from([-86_400_000, -5_000, 5_000, TTL_MS]))
    def set_the_clock(self, jump_ms: int) -> None:
        self.now_ms += jump_ms

    @rule(data=st.data(), wish=st.sampled_from(["retry", "drop"]))
    def a_person_decides(self, data: st.DataObject, wish: str) -> None:
        found = self.tx.all("SELECT outbox_id FROM outbox WHERE state NOT IN ('delivered')")
        if not found:
            return
        picked = data.draw(st.sampled_from([row["outbox_id"] for row in found]))
        row = records.find(self.tx, picked)
        assert row is not None
        if wish == "drop":
            if row.state in {OutboxState.WAITING, OutboxState.UNKNOWN}:
                records.drop(self.tx, row, reason="not needed", now_ms=self.now_ms)
            return
        # What a person retries may go after what was younger, and only that.
        part = row.part_of or "none"
        again = self.tx.all(
            "SELECT idempotency_key FROM outbox WHERE state = 'dead'"
            " AND (outbox_id = ? OR part_of = ?)",
            (picked, part),
        )
        self.handled |= {one["idempotency_key"] for one in again}
        records.retry(self.tx, row, now_ms=self.now_ms, expires_at_ms=self.now_ms + TTL_MS)

    @invariant()
    def every_conversation_has_one_head(self) -> None:
        if self.count:
            invariants(self.tx)

    @invariant()
    def nothing_is_lost(self) -> None:
        if self.count:
            kept = self.tx.one("SELECT count(*) AS n FROM outbox")
            assert kept is not None
            assert kept["n"] == self.count
            seen = {one.idempotency_key for one in self.account.seen}
            done = self.tx.all("SELECT idempotency_key FROM outbox WHERE state = 'delivered'")
            assert {row["idempotency_key"] for row in done} <= seen

    @invariant()
    def no_copy_is_unmarked(self) -> None:
        if self.count:
            plain = Counter(
                one.idempotency_key for one in self.account.seen if not one.may_be_repeat
            )
            assert all(count == 1 for count in plain.values()), plain

    @invariant()
    def conversations_keep_their_order(self) -> None:
        if not self.count:
            return
        for conversation, keys in self.order.items():
            first: list[str] = []
            for one in self.account.seen:
                key = one.idempotency_key
                is_here = one.target.conversation == conversation
                if is_here and key not in first and key not in self.handled:
                    first.append(key)
            assert first == [key for key in keys if key in first]

    @invariant()
    def caps_hold(self) -> None:
        if self.count:
            row = self.tx.one("SELECT count(*) AS n FROM outbox WHERE state = 'sending'")
            assert row is not None
            # A step that nobody heard of may have taken as many again until it is read back.
            assert row["n"] - len(self.results) <= (3 if not self.reads_back else 6)

    def teardown(self) -> None:
        """Left alone with a service that works, everything ends."""
        if self.count:
            self._boot()
            for _ in range(8 * self.count + 70):
                self.take_a_step(None)
                if not self._open():
                    break
                while self.taken:
                    self.account._steps.clear()
                    self._deliver(self.taken.pop())
                self.wait(60_000)
            assert not self._open()
            self.no_copy_is_unmarked()
            self.conversations_keep_their_order()
            self.nothing_is_lost()

    def _open(self) -> bool:
        return self.tx.one("SELECT 1 FROM outbox WHERE ended_at_ms IS NULL") is not None

    def _deliver(self, row: OutboxRow) -> None:
        tried = asyncio.run(self.attempter.attempt(row))
        assert isinstance(tried.outcome, Delivered)
        attempt = Attempt(
            attempt=row.attempts,
            started_at_ms=self.now_ms,
            ended_at_ms=self.now_ms,
            outcome=outcome_of(tried.outcome),
        )
        self.results.append(
            Mark(
                row=row,
                verdict=replace(tried.outcome),
                attempt=attempt,
                may_be_repeat=tried.may_be_repeat,
            )
        )
        self.schedule.answered(row)


TestOutbox: Any = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
