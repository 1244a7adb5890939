"""What is on disk when a message is taken, and what comes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.agent import records
from carapace.agent.delivery import Delivery
from carapace.agent.ending import OWED_TEXT
from carapace.agent.providers.ports import TextDelta
from carapace.agent.types import RunState, Submission
from carapace.channels.commands import parse_command
from carapace.channels.inbox import records as inbox_records
from carapace.channels.inbox.records import InboxRow, NewRow
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.reservation import Ended, Reservation
from carapace.channels.outbox.types import AccountKey, OutboxQuery, OutboxState
from carapace.channels.types import ReplyRoute, Target
from carapace.clock import SystemClock
from carapace.errors import Failed
from carapace.ids import RunId, SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import OWNER
from support.agent_house import MAIN, AgentHouse, agent_house, ask, build_house
from support.clock import FakeClock
from support.faulty_database import FaultyDatabase
from support.inbound_house import message
from support.polling import until
from support.scripted_provider import Hang, ScriptedProvider, echo, say

OTHER = SessionKey("agent:main:other")
HANGING = (TextDelta("w0"), Hang())


def of_inbox(text: str, **more: Any) -> Submission:
    """A message that waits as row 1 of the inbox."""
    target = Target(channel="recording", account="default", conversation="c-u-owner")
    route = ReplyRoute(target=target, inbox_ids=(1,))
    return ask(text, "inbox-1", reply_route=route, **more)


async def _put(house: AgentHouse) -> None:
    new = NewRow(
        message=message(),
        provenance=OWNER,
        lane="a",
        session_key=MAIN,
        received_at_ms=1,
        due_at_ms=1,
    )
    await house.database.write(lambda tx: inbox_records.insert(tx, new))


async def _row(house: AgentHouse) -> InboxRow:
    row = await house.database.read(lambda tx: inbox_records.find(tx, 1))
    assert row is not None
    return row


def _delivery() -> Delivery:
    return Delivery(lambda text, _: [text], notify=lambda _: None, ttl_s=lambda: 60.0)


def _in_place(heard: list[Ended]) -> Delivery:
    def reserve(key: AccountKey) -> Reservation:
        return Reservation(key=key, lease_ms=1_000, on_end=lambda _, ended: heard.append(ended))

    return Delivery(
        lambda text, _: [text], notify=lambda _: None, ttl_s=lambda: 60.0, reserve=reserve
    )


async def test_accepting_a_message_of_the_inbox_counts_its_start_and_ending_it_its_end():
    answering = asyncio.Event()
    script = (Hang(answering), *say("hello"))
    async with agent_house(script, delivery=_delivery()) as house:
        await _put(house)
        run = await house.agent.submit(of_inbox("hi"))
        row = await _row(house)
        assert (row.state, row.attempts, row.run_id) == ("working", 1, "inbox-1")
        answering.set()
        await run.ended()
        assert (await _row(house)).state == "done"


async def test_a_restart_begins_a_run_of_the_inbox_again_with_its_message_once():
    async with agent_house(HANGING) as house:
        await _put(house)
        await house.agent.submit(of_inbox("hi"))
        await house.provider.hanging.wait()
        provider = ScriptedProvider(echo)
        clock, delivery = SystemClock(), _delivery()
        after = build_house(house.database, house.folder, provider, clock=clock, delivery=delivery)
        assert await after.agent.recover() == ()
        accepted = await after.agent.accept(of_inbox("hi"))
        assert accepted.is_new
        assert (await accepted.run.ended()).status == "ok"
        history = await after.sessions.history("main")
        assert [(one.role, one.text) for one in history] == [
            ("user", "hi"),
            ("assistant", "Echo: hi"),
        ]
        await after.agent.drain(0.0)


async def test_a_reset_that_was_done_is_not_done_again_after_a_restart():
    async with agent_house(HANGING) as house:
        await _put(house)
        asked = of_inbox("/new hello", as_chat=True, command=parse_command("/new hello"))
        first = await house.agent.submit(asked)
        await house.provider.hanging.wait()
        after = build_house(
            house.database, house.folder, ScriptedProvider(echo), clock=SystemClock()
        )
        again = await after.agent.submit(asked)
        assert again.session_id == first.session_id
        await again.ended()
        history = await after.sessions.history("main")
        assert [one.role for one in history] == ["user", "assistant"]
        assert history[0].text == "hello"
        await after.agent.drain(0.0)


async def test_a_shutdown_owes_the_inbox_its_answer_and_writes_nothing():
    async with agent_house(HANGING) as house:
        await _put(house)
        run = await house.agent.submit(of_inbox("hi"))
        waiting = await house.agent.submit(ask("later", "r2"))
        await house.provider.hanging.wait()
        await house.agent.drain(0.0)
        assert run.is_owed
        assert not waiting.is_owed
        assert run.outcome is not None
        assert (run.outcome.state, run.outcome.error) == (RunState.CUT, OWED_TEXT)
        row = await house.database.read(lambda tx: records.find(tx, RunId("inbox-1")))
        assert row is not None
        assert row.outcome is None
        assert await house.agent.find(RunId("inbox-1")) is None


async def test_an_answer_without_a_model_reaches_the_outbox_in_one_transaction():
    async with agent_house(echo, delivery=_delivery()) as house:
        await _put(house)
        run = await house.agent.submit(
            of_inbox("/status", as_chat=True, command=parse_command("/status"))
        )
        assert run.outcome is not None
        assert (await _row(house)).state == "done"
        page = await house.database.read(lambda tx: outbox_records.page(tx, OutboxQuery()))
        assert [row.idempotency_key for row in page.rows] == ["inbox-1/1"]
        again = await house.agent.submit(
            of_inbox("/status", as_chat=True, command=parse_command("/status"))
        )
        assert again.run_id == run.run_id


async def test_a_turn_that_begins_at_once_reads_nothing_more():
    async with agent_house() as house:
        database = FaultyDatabase(house.database)
        provider = ScriptedProvider(echo, echo)
        after = build_house(database, house.folder, provider, clock=SystemClock())
        await (await after.agent.submit(ask("one", "r1"))).ended()
        before = database.reads  # the first turn of a day looks up what was spent
        run = await after.agent.submit(ask("two", "r2"))
        await run.ended()
        assert (database.reads - before, run.opening) == (0, None)
        assert [message.role for message in provider.requests[1].messages] == [
            "user",
            "assistant",
            "user",
        ]
        await after.agent.drain(0.0)


async def test_a_turn_that_had_to_wait_sees_what_changed_meanwhile():
    first_may_end = asyncio.Event()
    slow = (TextDelta("first"), Hang(first_may_end), *say(" answer"))
    async with agent_house(slow, echo) as house:
        one = await house.agent.submit(ask("one", "r1"))
        two = await house.agent.submit(ask("two", "r2"))
        assert two.opening is None
        await house.provider.hanging.wait()
        await house.sessions.patch(SessionsPatch(key="main", model="fake/other"))
        first_may_end.set()
        await one.ended()
        await two.ended()
        assert house.models.asked == [None, "fake/other"]


async def test_the_sender_is_called_before_the_answer_is_written_and_again_if_that_fails():
    async with agent_house() as house:
        database = FaultyDatabase(house.database)
        heard: list[int] = []

        def notify(_key: object) -> None:
            heard.append(database.writes)

        delivery = Delivery(lambda text, _: [text], notify=notify, ttl_s=lambda: 60.0)
        provider, clock = ScriptedProvider(echo, echo), FakeClock()
        after = build_house(database, house.folder, provider, clock=clock, delivery=delivery)
        await _put(house)
        run = await after.agent.submit(of_inbox("hi"))
        accepted = database.writes
        await run.ended()
        assert heard == [accepted]
        heard.clear()
        run = await after.agent.submit(replace(of_inbox("hi again"), run_id=RunId("inbox-2")))
        accepted = database.writes
        database.faults = [(Failed("the disk is away"), False)]
        await until(lambda: len(heard) == 2)
        await clock.advance(10.0)
        await run.ended()
        assert heard == [accepted, accepted + 1, accepted + 1]
        await after.agent.drain(0.0)


async def test_an_answer_that_has_a_place_is_handed_over_when_it_is_on_disk():
    heard: list[Ended] = []
    async with agent_house(echo, delivery=_in_place(heard)) as house:
        await _put(house)
        run = await house.agent.submit(of_inbox("hi"))
        await run.ended()
        [ended] = heard
        assert ended.row is not None
        assert ended.row.outgoing is not None
        assert (ended.row.state, ended.row.outgoing.text) == (OutboxState.SENDING, "Echo: hi")
        assert (await _row(house)).state == "done"


@pytest.mark.parametrize(
    ("error", "is_doubtful"),
    [(Failed("no room", retryable=True), False), (Failed("the disk is away"), True)],
    ids=["not taken", "nobody knows"],
)
async def test_a_place_is_given_back_if_the_answer_was_not_written(
    error: Failed, is_doubtful: bool
):
    heard: list[Ended] = []
    async with agent_house() as house:
        database = FaultyDatabase(house.database)
        provider, clock = ScriptedProvider(echo), FakeClock()
        after = build_house(
            database, house.folder, provider, clock=clock, delivery=_in_place(heard)
        )
        await _put(house)
        run = await after.agent.submit(of_inbox("hi"))
        database.faults = [(error, False)]
        await until(lambda: heard)
        assert heard == [Ended(is_doubtful=is_doubtful)]
        await clock.advance(10.0)
        await run.ended()
        assert heard[1].row is not None
        await after.agent.drain(0.0)
