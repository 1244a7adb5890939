"""The sender with a real database and a chat service in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from carapace.channels.outbox.attempt import Cancelled
from carapace.channels.outbox.records import insert
from carapace.channels.outbox.reservation import Reservation
from carapace.channels.outbox.sender import SenderOptions
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import AttemptOutcome, Cause, OutboxRow, OutboxState
from carapace.channels.types import Dead, Delivered, Outgoing, RetryAfter, SendOutcome, Unknown
from carapace.provenance import OWNER
from carapace.store.ports import Tx
from carapace.telemetry.exposition import render
from support.clock import FakeClock
from support.faulty_database import FaultyDatabase
from support.outbox import BLIND, SendingHouse, outgoing, sending_house
from support.polling import until
from support.recording_channel import RecordingAccount, RecordingIntake, Step


async def insert_unseen(house: SendingHouse, message: Outgoing, *, run_id: str | None) -> int:
    """As another transaction does it: the sender is not told."""
    now_ms = house.clock.now_ms()
    key = await house.database.write(
        lambda tx: insert(
            tx,
            message,
            provenance=OWNER,
            run_id=run_id,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + 60_000,
        )
    )
    assert key is not None
    return key


async def insert_in_place(
    house: SendingHouse, message: Outgoing, place: Reservation
) -> OutboxRow | None:
    """As the end of a turn does it: the row is taken where it is inserted."""
    now_ms = house.clock.now_ms()

    def work(tx: Tx) -> OutboxRow | None:
        made = insert(
            tx,
            message,
            provenance=OWNER,
            run_id="run",
            created_at_ms=now_ms,
            expires_at_ms=now_ms + 60_000,
        )
        assert made is not None
        return place.take(tx, made, now_ms=now_ms)

    return await house.database.write(work)


async def started(house: SendingHouse) -> None:
    """Start, and wait until something was sent: the sender is at rest."""
    house.start()
    await house.ended(await house.put("first", "elsewhere"))
    await until(lambda: house.sender.in_flight == 0)


def reserved(house: SendingHouse) -> Reservation:
    place = house.outbox.reserve(("recording", "default"))
    assert place is not None
    return place


async def test_a_message_is_delivered_and_told():
    async with sending_house() as house:
        house.start()
        [row] = await house.ended(await house.put("hello"))
        assert house.account.texts() == ["hello"]
        assert (row.state, row.message_id, row.attempts) == (OutboxState.DELIVERED, "m-1", 1)
        await until(lambda: house.ears.events)
        [event] = house.ears.events
        assert (event.name, event.payload.state) == ("delivery", "delivered")
        figures = render(house.metrics)[0].decode()
        assert 'carapace_outbox_sent_total{outcome="delivered"} 1.0' in figures
        assert "carapace_outbox_attempt_seconds_count 1.0" in figures


async def test_it_is_on_disk_as_being_sent_before_the_channel_is_asked():
    async with sending_house() as house:
        house.account.hold()
        house.start()
        key = await house.put("hello")
        await house.account.sent_at_least(1)
        row = await house.row(key)
        assert (row.state, row.fence, row.attempts) == (OutboxState.SENDING, 1, 1)
        house.account.release()
        await house.ended(key)


async def test_what_waited_before_the_start_is_sent():
    async with sending_house() as house:
        key = await house.put("early")
        house.start()
        await house.ended(key)


async def test_rows_of_another_transaction_are_sent_once_it_is_told():
    async with sending_house() as house:
        house.start()
        key = await insert_unseen(house, outgoing("answer"), run_id="run")
        house.outbox.notify()
        [row] = await house.ended(key)
        assert row.run_id == "run"


async def test_a_conversation_keeps_its_order_through_failures():
    async with sending_house() as house:
        house.account.script(RetryAfter(reason="busy"), RetryAfter(reason="busy"))
        keys = [await house.put(f"{n}") for n in range(4)]
        house.start()
        await house.ended(*keys)
        assert house.account.texts() == ["0", "1", "2", "3"]
        assert [one.attempt for one in house.account.sent] == [1, 2, 3, 1, 1, 1]


async def test_a_stuck_conversation_holds_up_no_other():
    async with sending_house(clock=FakeClock()) as house:
        house.account.script(RetryAfter(reason="slow mode", after_s=600))
        stuck = await house.put("stuck", "one")
        after = await house.put("after", "one")
        house.start()
        await house.account.sent_at_least(1)
        other = await house.put("free", "two")
        await house.ended(other)
        assert house.account.texts() == ["free"]
        assert (await house.row(stuck)).state is OutboxState.WAITING
        assert (await house.row(after)).attempts == 0


async def test_a_retry_comes_when_the_service_said():
    clock = FakeClock()
    async with sending_house(clock=clock) as house:
        house.account.script(RetryAfter(reason="slow down", after_s=90))
        key = await house.put("x")
        house.start()
        await house.failed_once(key)
        await clock.advance(89)
        assert len(house.account.sent) == 1
        await house.ended(key)
        detail = await house.outbox.get(key)
        assert detail is not None
        assert [one.outcome for one in detail.attempts] == [
            AttemptOutcome.RETRY,
            AttemptOutcome.DELIVERED,
        ]


async def test_caps_hold_for_an_account_and_for_all():
    options = SenderOptions(max_per_account=3, max_total=4)
    async with sending_house(options=options) as house:
        house.accounts["second"] = RecordingAccount(BLIND, "second", RecordingIntake())
        for account in house.accounts.values():
            account.hold()
        keys = [
            await house.put(f"{name}{n}", f"c{n}", account=name)
            for n in range(6)
            for name in house.accounts
        ]
        house.start()
        await until(lambda: sum(one.in_flight for one in house.accounts.values()) == 4)
        for account in house.accounts.values():
            account.release()
        await house.ended(*keys)
        assert house.account.most_in_flight <= 3
        assert house.accounts["second"].most_in_flight <= 3


async def test_an_account_in_trouble_costs_no_attempts_and_goes_on_by_itself():
    clock = FakeClock()
    async with sending_house(clock=clock) as house:
        house.account.problem = "not logged in"
        key = await house.put("x")
        house.start()
        await clock.advance(600)
        assert house.account.sent == []
        assert (await house.row(key)).attempts == 0
        house.account.problem = None
        await clock.advance(1)
        await house.ended(key)


async def test_an_account_that_is_not_there_keeps_its_messages_until_they_are_too_old():
    clock = FakeClock()
    async with sending_house(clock=clock) as house:
        key = await house.put("x", account="gone", ttl_s=60)
        house.start()
        [row] = await house.ended(key)
        assert (row.cause, row.attempts) == (Cause.EXPIRED, 0)
        await asyncio.wait_for(house.ears.heard.wait(), 5)
        assert [one.outbox_id for one in house.ears.dead] == [key]


async def test_what_the_service_refuses_is_dead_and_told_and_the_next_goes_on():
    async with sending_house() as house:
        house.account.script(Dead(reason="blocked by the user"))
        first, second = await house.put("a"), await house.put("b")
        house.start()
        rows = await house.ended(first, second)
        assert [row.state for row in rows] == [OutboxState.DEAD, OutboxState.DELIVERED]
        await asyncio.wait_for(house.ears.heard.wait(), 5)
        assert [(one.outbox_id, one.reason) for one in house.ears.dead] == [
            (first, "blocked by the user")
        ]
        # Each notice is a transaction of its own: the second comes when it comes.
        await until(lambda: len(house.ears.events) == len(rows))
        assert {event.payload.state for event in house.ears.events} == {"dead", "delivered"}


async def test_an_exception_and_a_hang_are_unknown_and_the_repeat_is_marked():
    options = SenderOptions(send_timeout_s=0.03, grace_s=0.03)
    async with sending_house(options=options) as house:
        house.account.script(Step(ValueError("bug"), arrives=True))
        house.start()
        [row] = await house.ended(await house.put("a"))
        assert [one.may_be_repeat for one in house.account.sent] == [False, True]
        assert row.may_be_repeat
        assert len(house.account.texts()) == 2


async def test_a_drain_ends_what_runs_and_takes_nothing_new():
    async with sending_house() as house:
        house.account.hold()
        first, second = await house.put("a"), await house.put("b")
        house.start()
        await house.account.sent_at_least(1)
        drain = asyncio.create_task(house.sender.drain(5))
        await asyncio.sleep(0)
        house.account.release()
        assert await drain
        assert house.task is not None
        await asyncio.wait_for(house.task, 5)
        assert (await house.row(first)).state is OutboxState.DELIVERED
        assert (await house.row(second)).state is OutboxState.WAITING


async def test_a_drain_that_takes_too_long_leaves_a_doubt_for_the_next_start():
    async with sending_house() as house:
        house.account.hold()
        key = await house.put("a")
        house.start()
        await house.account.sent_at_least(1)
        assert not await house.sender.drain(0.02)
        assert house.sender.in_flight == 1
        await house.stop()
        assert (await house.row(key)).state is OutboxState.SENDING


async def test_a_sender_that_never_ran_has_nothing_to_drain():
    async with sending_house() as house:
        assert await house.sender.drain(0.01)


async def test_the_hooks_change_and_stop_messages_and_hear_of_them():
    heard: list[SendOutcome] = []
    words: list[str] = []
    seen: list[str] = []

    async def before(row: OutboxRow, message: Outgoing) -> Outgoing | Cancelled:
        seen.append(message.text)
        if "secret" in message.text:
            return Cancelled(reason="it has a secret")
        return replace(message, text=message.text.upper())

    async def after(row: OutboxRow, outcome: SendOutcome) -> None:
        assert row.outgoing is not None
        words.append(row.outgoing.text)
        heard.append(outcome)
        raise ValueError("bug")

    async with sending_house(before_send=before, after_send=after) as house:
        house.account.script(RetryAfter(reason="busy"))
        house.start()
        first, second = await house.put("loud"), await house.put("secret", "two")
        rows = await house.ended(first, second)
        assert [row.cause for row in rows] == [None, Cause.CANCELLED]
        assert house.account.texts() == ["LOUD"]
        assert rows[0].outgoing is not None
        assert rows[0].outgoing.text == "LOUD"
        await until(lambda: len(heard) == 3)
        assert Delivered(message_id="m-1") in heard
        assert sorted(words) == ["LOUD", "LOUD", "secret"]
        assert sorted(seen) == ["loud", "secret"]


async def test_words_that_hooks_left_alone_are_not_shown_to_them_again():
    seen: list[int] = []

    async def before(row: OutboxRow, message: Outgoing) -> Outgoing:
        seen.append(row.attempts)
        return message

    async with sending_house(before_send=before) as house:
        house.account.script(RetryAfter(reason="busy"))
        house.start()
        [row] = await house.ended(await house.put("a"))
        assert row.attempts == 2
        assert seen == [1]


async def test_media_are_let_go_of_when_delivered():
    released: list[str] = []
    async with sending_house(release_media=lambda tx, owner: released.append(owner)) as house:
        house.start()
        made = await house.outbox.put(outgoing("a", media=("m1",)), provenance=OWNER)
        await house.ended(made.outbox_id)
        await house.ended(await house.put("no media"))
        assert released == [f"outbox:{made.outbox_id}"]


async def test_an_idle_sender_writes_nothing():
    clock = FakeClock()
    async with sending_house(clock=clock, wrap=FaultyDatabase) as house:
        house.start()
        await house.ended(await house.put("a"))
        counter = house.database
        assert isinstance(counter, FaultyDatabase)
        await clock.advance(0.01)
        before = counter.writes
        for _ in range(60):
            await clock.advance(1)
        assert counter.writes - before <= 13


async def test_the_last_unknown_is_dead_and_says_that_it_may_have_arrived():
    async with sending_house() as house:
        house.account.script(*[Unknown(reason="reset")] * 10)
        house.start()
        [row] = await house.ended(await house.put("a"))
        assert (row.cause, row.may_be_repeat) == (Cause.EXHAUSTED, True)
        assert [one.may_be_repeat for one in house.account.sent] == [False] + [True] * 9
        revived = await house.outbox.retry(row.outbox_id)
        assert revived.may_be_repeat
        await house.ended(row.outbox_id)
        assert house.account.sent[-1].may_be_repeat


async def test_accounts_that_nobody_named_are_found_by_the_step():
    async with sending_house() as house:
        house.start()
        await house.ended(await house.put("first"))
        house.accounts["second"] = RecordingAccount(BLIND, "second", RecordingIntake())
        key = await insert_unseen(house, outgoing("x", account="second"), run_id=None)
        house.outbox.notify()
        await house.ended(key)


async def test_an_account_that_stops_while_hooks_run_costs_the_message_nothing():
    async def before(row: OutboxRow, message: Outgoing) -> Outgoing:
        account.append(house.accounts.pop("default"))
        return message

    account: list[RecordingAccount] = []
    async with sending_house(before_send=before) as house:
        house.start()
        key = await house.put("a")

        async def is_screened() -> bool:
            return (await house.row(key)).is_screened

        await house.until(is_screened)
        house.accounts["default"] = account[0]
        house.outbox.notify()
        [row] = await house.ended(key)
        assert row.failures == 0


async def test_a_result_whose_row_was_taken_by_another_is_left_out():
    async with sending_house() as house:
        house.account.hold()
        house.start()
        key = await house.put("a")
        await house.account.sent_at_least(1)
        await house.database.write(lambda tx: tx.execute("UPDATE outbox SET fence = fence + 1"))
        house.account.release()
        await until(lambda: house.sender.in_flight == 0)
        assert (await house.row(key)).state is OutboxState.SENDING
        assert house.ears.events == []


async def test_a_fault_of_ours_in_an_attempt_is_unknown():
    async with sending_house() as house:
        house.start()
        attempt = house.sender._attempter.attempt

        async def broken(row: OutboxRow) -> Any:
            if row.attempts == 1:
                raise ZeroDivisionError("bug")
            return await attempt(row)

        house.sender._attempter.attempt = broken
        [row] = await house.ended(await house.put("a"))
        assert [one.may_be_repeat for one in house.account.sent] == [True]
        assert row.attempts == 2


async def test_a_reserved_row_is_sent_without_a_step():
    async with sending_house(wrap=FaultyDatabase) as house:
        await started(house)
        house.account.hold()
        place, counter = reserved(house), house.database
        assert isinstance(counter, FaultyDatabase)
        row = await insert_in_place(house, outgoing("answer"), place)
        assert row is not None
        before = counter.writes
        place.written(row)
        await until(lambda: house.account.in_flight == 1)
        assert counter.writes == before
        assert (await house.row(row.outbox_id)).state is OutboxState.SENDING
        house.account.release()
        [ended] = await house.ended(row.outbox_id)
        assert (ended.state, ended.attempts) == (OutboxState.DELIVERED, 1)
        assert house.account.texts() == ["first", "answer"]


async def test_what_a_reservation_did_not_take_is_sent_by_the_next_step():
    async with sending_house() as house:
        await started(house)
        house.account.script(RetryAfter(reason="busy"))
        earlier = await house.put("one")
        place = reserved(house)
        assert await insert_in_place(house, outgoing("two"), place) is None
        place.written(None)
        await house.ended(earlier)
        await until(lambda: house.account.texts() == ["first", "one", "two"])


async def test_no_place_is_given_where_a_row_could_not_be_sent_at_once():
    options = SenderOptions(max_per_account=2, max_total=2)
    async with sending_house(options=options) as house:
        key = ("recording", "default")
        assert house.outbox.reserve(key) is None
        await started(house)
        one, two = reserved(house), reserved(house)
        assert house.outbox.reserve(key) is None
        one.failed(is_doubtful=False)
        house.account.problem = "not logged in"
        assert house.outbox.reserve(key) is None
        assert house.outbox.reserve(("recording", "gone")) is None
        house.account.problem = None
        reserved(house).written(None)
        two.written(None)
        assert await house.sender.drain(5)
        assert house.outbox.reserve(key) is None


async def test_an_outbox_without_a_sender_has_no_places():
    async with sending_house() as house:
        assert Outbox(house.database, house.clock).reserve(("recording", "default")) is None


async def test_a_row_whose_transaction_did_not_report_back_is_sent_once_unmarked():
    async with sending_house() as house:
        await started(house)
        place = reserved(house)
        row = await insert_in_place(house, outgoing("answer"), place)
        assert row is not None
        place.failed(is_doubtful=True)
        [ended] = await house.ended(row.outbox_id)
        assert (ended.fence, ended.attempts) == (2, 1)
        assert [(one.text, one.may_be_repeat) for one in house.account.sent[1:]] == [
            ("answer", False)
        ]


async def test_open_reservations_are_waited_for_before_strays_are_let_go_of():
    async with sending_house() as house:
        await started(house)
        open_place, lost = reserved(house), reserved(house)
        open_row = await insert_in_place(house, outgoing("open", "one"), open_place)
        lost_row = await insert_in_place(house, outgoing("lost", "two"), lost)
        assert open_row is not None
        assert lost_row is not None
        lost.failed(is_doubtful=True)
        assert house.outbox.reserve(("recording", "default")) is None
        late = await house.put("late", "three")
        assert [(await house.row(one.outbox_id)).fence for one in (open_row, lost_row)] == [1, 1]
        assert house.account.texts() == ["first"]
        open_place.written(open_row)
        rows = await house.ended(open_row.outbox_id, lost_row.outbox_id, late)
        assert [row.fence for row in rows] == [1, 2, 1]
        assert sorted(house.account.texts()) == ["first", "late", "lost", "open"]
        assert not any(one.may_be_repeat for one in house.account.sent)
        reserved(house).written(None)


async def test_a_lease_that_passes_before_the_commit_is_heard_of_is_no_reason_for_doubt():
    clock = FakeClock()
    async with sending_house(clock=clock) as house:
        await started(house)
        place = reserved(house)
        row = await insert_in_place(house, outgoing("answer"), place)
        assert row is not None
        await clock.advance(place.lease_ms / 1000 + 1)
        await house.ended(await house.put("other", "elsewhere"))
        assert (await house.row(row.outbox_id)).state is OutboxState.SENDING
        place.written(row)
        [ended] = await house.ended(row.outbox_id)
        assert not ended.may_be_repeat
        assert house.account.texts() == ["first", "other", "answer"]


async def test_a_drain_waits_for_open_reservations():
    async with sending_house() as house:
        await started(house)
        place = reserved(house)
        drain = asyncio.create_task(house.sender.drain(5))
        row = await insert_in_place(house, outgoing("answer"), place)
        assert row is not None
        assert not drain.done()
        place.written(row)
        assert await drain
        assert (await house.row(row.outbox_id)).state is OutboxState.DELIVERED


async def test_a_row_that_comes_when_the_sender_was_cut_is_left_for_the_next_start():
    async with sending_house() as house:
        await started(house)
        place = reserved(house)
        row = await insert_in_place(house, outgoing("answer"), place)
        assert row is not None
        await house.stop()
        place.written(row)
        assert (await house.row(row.outbox_id)).state is OutboxState.SENDING
        assert house.account.texts() == ["first"]


class Stubborn(RecordingAccount):
    """Does not end when it is cancelled."""

    free: asyncio.Event

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        self.sent.append(outgoing)
        while not self.free.is_set():
            try:
                await self.free.wait()
            except asyncio.CancelledError:
                continue
        return Delivered()


async def test_a_channel_that_never_ends_does_not_keep_the_sender_from_ending():
    options = SenderOptions(send_timeout_s=30, grace_s=0.02)
    async with sending_house(options=options) as house:
        account = Stubborn(BLIND, "default", RecordingIntake())
        account.free = asyncio.Event()
        house.accounts["default"] = account
        house.start()
        await house.put("a")
        await until(lambda: account.sent)
        async with asyncio.timeout(5):
            await house.stop()
        account.free.set()
        await until(lambda: len(house.sender._tasks) == 0)
