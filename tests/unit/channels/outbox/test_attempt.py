"""One attempt: hooks, doubt, deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.channels.outbox import records
from carapace.channels.outbox.attempt import Attempter, BeforeSend, Cancelled, Overrun, within
from carapace.channels.outbox.types import Cause, OutboxRow
from carapace.channels.types import (
    ChannelInfo,
    Dead,
    Delivered,
    Outgoing,
    RetryAfter,
    Unknown,
)
from carapace.errors import Failed
from carapace.tasks import Tasks
from support.outbox import BLIND, DROPS, LOOKS_UP, memory_tx, put
from support.recording_channel import RecordingAccount, RecordingIntake, Step


@dataclass
class Bench:
    """An attempter with one account."""

    account: RecordingAccount
    info: ChannelInfo
    hook: BeforeSend | None = None
    timeout_s: float = 5.0
    is_ours: bool = True
    saved: list[Outgoing] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    is_gone: bool = False

    def __post_init__(self) -> None:
        self.tasks = Tasks("test", lambda name, error: self.faults.append(error))
        self.attempter = Attempter(
            accounts=lambda channel, account: None if self.is_gone else self.account,
            infos=lambda channel: None if channel == "unknown" else self.info,
            tasks=self.tasks,
            save=self.save,
            before_send=self.hook,
            timeout_s=self.timeout_s,
            grace_s=0.02,
        )

    async def save(self, row: OutboxRow, outgoing: Outgoing) -> bool:
        self.saved.append(outgoing)
        return self.is_ours


def bench(info: ChannelInfo = BLIND, *steps: Any, **more: Any) -> Bench:
    account = RecordingAccount(info, "default", RecordingIntake())
    account.script(*steps)
    return Bench(account, info, **more)


def taken(**more: Any) -> OutboxRow:
    tx = memory_tx()
    row = records.find(tx, put(tx, "key"))
    assert row is not None
    return replace(row, **{"attempts": 1, **more})


DOUBTED = {"may_be_repeat": True, "attempts": 2}


async def test_the_channel_gets_the_words_and_the_number_of_the_attempt():
    made = bench()
    tried = await made.attempter.attempt(taken())
    assert tried.outcome == Delivered(message_id="m-1")
    assert not tried.may_be_repeat
    [sent] = made.account.sent
    assert (sent.text, sent.attempt, sent.may_be_repeat) == ("key", 1, False)


async def test_an_unknown_outcome_leaves_a_doubt():
    tried = await bench(BLIND, Unknown(reason="reset")).attempter.attempt(taken())
    assert tried.outcome == Unknown(reason="reset")
    assert tried.may_be_repeat


async def test_a_repeat_says_so_where_nothing_else_helps():
    made = bench(BLIND)
    tried = await made.attempter.attempt(taken(**DOUBTED))
    [sent] = made.account.sent
    assert (sent.may_be_repeat, sent.attempt, sent.idempotency_key) == (True, 2, "key")
    assert tried.may_be_repeat


async def test_a_service_that_drops_repeats_gets_the_same_key_unmarked():
    made = bench(DROPS, Step(Unknown(reason="reset"), arrives=True))
    await made.attempter.attempt(taken())
    tried = await made.attempter.attempt(taken(**DOUBTED))
    assert [one.may_be_repeat for one in made.account.sent] == [False, False]
    assert made.account.texts() == ["key"]
    assert not tried.may_be_repeat


async def test_such_a_service_that_is_busy_leaves_the_doubt():
    made = bench(DROPS, RetryAfter(reason="busy"))
    assert (await made.attempter.attempt(taken(**DOUBTED))).may_be_repeat


async def test_what_arrived_is_looked_up_and_not_sent():
    made = bench(LOOKS_UP, Step(Unknown(reason="reset"), arrives=True))
    await made.attempter.attempt(taken())
    tried = await made.attempter.attempt(taken(**DOUBTED))
    assert tried.outcome == Delivered(message_id="m-1")
    assert not tried.may_be_repeat
    assert len(made.account.sent) == 1


async def test_what_did_not_arrive_is_sent_without_a_mark():
    made = bench(LOOKS_UP)
    tried = await made.attempter.attempt(taken(**DOUBTED))
    assert made.account.looked_up == ["key"]
    assert [one.may_be_repeat for one in made.account.sent] == [False]
    assert not tried.may_be_repeat


class BrokenLookUp(RecordingAccount):
    """Cannot look up."""

    waits: bool = False

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        if self.waits:
            await asyncio.Event().wait()
        raise ConnectionError("no route")


@pytest.mark.parametrize(("waits", "words"), [(False, "no route"), (True, "did not come")])
async def test_what_cannot_be_looked_up_is_not_sent(waits: bool, words: str):
    account = BrokenLookUp(LOOKS_UP, "default", RecordingIntake())
    account.waits = waits
    tried = await Bench(account, LOOKS_UP, timeout_s=0.02).attempter.attempt(taken(**DOUBTED))
    assert isinstance(tried.outcome, RetryAfter)
    assert words in tried.outcome.reason
    assert tried.may_be_repeat
    assert account.sent == []


async def test_an_exception_of_the_channel_is_unknown_and_no_task_dies():
    made = bench(BLIND, ValueError("bug"))
    tried = await made.attempter.attempt(taken())
    assert tried.outcome == Unknown(reason="the channel broke (ValueError: bug)")
    assert made.faults == []


async def test_a_reason_without_end_is_cut():
    tried = await bench(BLIND, Dead(reason="x" * 100_000)).attempter.attempt(taken())
    assert tried.outcome == Dead(reason="x" * 500 + "...")


async def test_a_missed_deadline_is_unknown_and_cancels_the_call():
    made = bench(timeout_s=0.02)
    made.account.hold()
    tried = await made.attempter.attempt(taken())
    assert tried.outcome == Unknown(reason="the service's answer did not come within 0.02 s")
    assert made.account.in_flight == 0


async def test_a_channel_that_cancels_itself_is_unknown():
    tried = await bench(BLIND, asyncio.CancelledError()).attempter.attempt(taken())
    assert isinstance(tried.outcome, Unknown)


async def test_a_channel_that_will_not_be_cancelled_is_left_behind():
    free = asyncio.Event()

    async def stubborn() -> str:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    tasks = Tasks("test", lambda name, error: None)
    with pytest.raises(Overrun):
        await within(stubborn(), name="s", tasks=tasks, timeout_s=0.01, grace_s=0.01)
    assert len(tasks) == 1
    free.set()
    assert await tasks.drain(1.0)


async def test_an_answer_during_the_grace_counts():
    async def tidy() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        raise AssertionError

    tasks = Tasks("test", lambda name, error: None)
    assert await within(tidy(), name="t", tasks=tasks, timeout_s=0.01, grace_s=1.0) == "done"


async def test_who_is_cancelled_cancels_the_call():
    made = bench()
    made.account.hold()
    attempt = asyncio.create_task(made.attempter.attempt(taken()))
    await made.account.sent_at_least(1)
    attempt.cancel()
    await asyncio.wait({attempt})
    assert attempt.cancelled()
    assert await made.tasks.drain(1.0)
    assert made.account.in_flight == 0


@pytest.mark.parametrize("lost", ["outgoing", "provenance"])
async def test_a_row_without_words_or_context_is_dead_and_never_sent(lost: str):
    made = bench()
    tried = await made.attempter.attempt(taken(**{lost: None}))
    assert isinstance(tried.outcome, Dead)
    assert tried.cause is Cause.UNREADABLE
    assert made.account.sent == []


async def test_an_account_that_was_stopped_since_costs_nothing():
    made = bench()
    made.is_gone = True
    tried = await made.attempter.attempt(taken())
    assert isinstance(tried.outcome, RetryAfter)
    assert not tried.was_asked


async def test_trouble_is_the_account_s_own_or_that_there_is_none():
    made = bench()
    assert made.attempter.trouble(("recording", "default")) is None
    assert made.attempter.trouble(("unknown", "default")) == "the account is not running"
    made.account.problem = "not logged in"
    assert made.attempter.trouble(("recording", "default")) == "not logged in"
    made.is_gone = True
    assert made.attempter.trouble(("recording", "default")) == "the account is not running"


async def test_a_channel_that_breaks_when_asked_is_in_trouble():
    class Broken(RecordingAccount):
        def trouble(self) -> str | None:
            raise RuntimeError("bug")

    made = Bench(Broken(BLIND, "default", RecordingIntake()), BLIND)
    assert made.attempter.trouble(("recording", "default")) == "the channel is broken (bug)"


@pytest.mark.parametrize(("info", "can"), [(BLIND, False), (DROPS, True), (LOOKS_UP, True)])
async def test_who_can_settle_a_doubt(info: ChannelInfo, can: bool):
    assert bench(info).attempter.can_tell("recording") is can
    assert not bench(info).attempter.can_tell("unknown")


def answering(answer: Outgoing | Cancelled) -> BeforeSend:
    async def hook(row: OutboxRow, outgoing: Outgoing) -> Outgoing | Cancelled:
        return answer

    return hook


async def test_a_hook_changes_the_words_and_nothing_else():
    async def hook(row: OutboxRow, outgoing: Outgoing) -> Outgoing:
        assert row.provenance is not None
        target = replace(outgoing.target, conversation="elsewhere")
        return replace(outgoing, text="[mild]", target=target, idempotency_key="other")

    made = bench(hook=hook)
    await made.attempter.attempt(taken())
    [sent] = made.account.sent
    assert (sent.text, sent.target.conversation, sent.idempotency_key) == ("[mild]", "room", "key")
    assert [one.text for one in made.saved] == ["[mild]"]


async def test_words_that_hooks_leave_alone_cost_no_write():
    made = bench(hook=lambda row, outgoing: same(outgoing))
    tried = await made.attempter.attempt(taken())
    assert made.saved == []
    assert tried.is_screened
    assert tried.said is not None
    assert tried.said.text == "key"


async def test_a_hook_sees_a_message_once():
    made = bench(hook=answering(Cancelled(reason="no")))
    tried = await made.attempter.attempt(taken(is_screened=True))
    assert isinstance(tried.outcome, Delivered)
    assert made.saved == []


async def test_a_hook_stops_a_message():
    made = bench(hook=answering(Cancelled(reason="has a secret")))
    tried = await made.attempter.attempt(taken())
    assert tried.outcome == Dead(reason="has a secret")
    assert tried.cause is Cause.CANCELLED
    assert made.account.sent == []


async def test_what_was_taken_by_another_while_hooks_ran_is_not_sent():
    async def hook(row: OutboxRow, outgoing: Outgoing) -> Outgoing:
        return replace(outgoing, text="changed")

    other = bench(hook=hook, is_ours=False)
    tried = await other.attempter.attempt(taken())
    assert not tried.was_asked
    assert other.account.sent == []


async def same(outgoing: Outgoing) -> Outgoing:
    return outgoing


def raising(error: Exception) -> Callable[[OutboxRow, Outgoing], Awaitable[Outgoing]]:
    async def hook(row: OutboxRow, outgoing: Outgoing) -> Outgoing:
        raise error

    return hook


async def never(row: OutboxRow, outgoing: Outgoing) -> Outgoing:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (raising(ValueError("bug")), "broke (ValueError)"),
        (raising(Failed("The plugin is gone.")), "The plugin is gone."),
        (never, "did not come within"),
    ],
)
async def test_a_hook_that_fails_holds_the_message(hook: BeforeSend, words: str):
    made = bench(hook=hook, timeout_s=0.02)
    tried = await made.attempter.attempt(taken())
    assert isinstance(tried.outcome, RetryAfter)
    assert words in tried.outcome.reason
    assert tried.was_asked
    assert made.account.sent == []
