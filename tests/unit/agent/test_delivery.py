"""From the end of a turn to the outbox, and back if nothing arrives."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.delivery import Answer, DeadNotices, Delivery, said, undelivered_text
from carapace.agent.types import RunOutcome, RunState
from carapace.channels.inbox import records as inbox_records
from carapace.channels.inbox.records import NewRow
from carapace.channels.live import draft_records
from carapace.channels.live.drafts import Drafts
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.reservation import Reservation
from carapace.channels.outbox.types import AccountKey, Cause, OutboxQuery, OutboxRow, OutboxState
from carapace.channels.types import ChannelInfo, OutgoingKind, ReplyRoute, Target
from carapace.clock import SystemClock
from carapace.ids import RunId, SessionKey
from carapace.protocol.agent import AgentMeta, AgentPayload, AgentResult, ResultMeta, TokenUsage
from carapace.protocol.events import Event
from carapace.provenance import Authority, Origin, Provenance
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from support.agent_house import agent_house, ask
from support.database import memory_database
from support.inbound_house import message
from support.scripted_provider import say

PAIRED = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED)
TARGET = Target(channel="chat", account="default", conversation="c1")
ROUTE = ReplyRoute(target=TARGET, inbox_ids=(1,), reply_to="m1")


def outcome(state: RunState, *texts: str, error: str | None = None) -> RunOutcome:
    usage = TokenUsage(input=0, output=0, cache_read=0, cache_write=0, total=0)
    meta = AgentMeta(session_id="s", provider="p", model="m", usage=usage)
    result = AgentResult(
        payloads=tuple(AgentPayload(text, None) for text in texts),
        meta=ResultMeta(duration_ms=1, agent_meta=meta, aborted=False),
    )
    return RunOutcome(
        state=state,
        status="ok",
        summary="so it ended",
        ended_at_ms=2,
        result=result if texts else None,
        error=error,
    )


def halves(text: str, target: Target) -> list[str]:
    if text == "boom":
        raise ValueError(target)
    return [part for part in text.split("|") if part != "NO_REPLY"]


def delivery(told: list[AccountKey] | None = None) -> Delivery:
    kept = told if told is not None else []
    return Delivery(halves, notify=kept.append, ttl_s=lambda: 10.0)


def plan(ended: RunOutcome, **more: Any) -> Answer | None:
    values: dict[str, Any] = {"provenance": PAIRED, "reply_route": ROUTE, **more}
    return delivery().plan(ask("x", **values), ended)


def texts(answer: Answer | None) -> list[str]:
    assert answer is not None
    return [one.text for one in answer.outgoing]


def test_every_message_of_the_assistant_is_sent_in_parts_that_keep_their_order():
    answer = plan(outcome(RunState.DONE, "a|b", "c"))
    assert answer is not None
    assert texts(answer) == ["a", "b", "c"]
    assert [one.idempotency_key for one in answer.outgoing] == ["r1/1", "r1/2", "r1/3"]
    assert [one.reply_to for one in answer.outgoing] == ["m1", None, None]
    assert (answer.inbox_ids, answer.provenance) == ((1,), PAIRED)


def test_a_run_that_answers_nobody_outside_plans_nothing():
    assert plan(outcome(RunState.DONE, "a"), reply_route=None) is None


@pytest.mark.parametrize(
    "ended",
    [
        outcome(RunState.DONE, "NO_REPLY"),
        outcome(RunState.DONE, "", "  "),
        outcome(RunState.DONE),
        outcome(RunState.ABORTED, "half a thought"),
        outcome(RunState.CUT, error="cut"),
    ],
)
def test_silence_and_what_was_stopped_send_nothing_but_are_dealt_with(ended: RunOutcome):
    answer = plan(ended)
    assert answer is not None
    assert (answer.outgoing, answer.inbox_ids) == ((), (1,))


def test_failures_are_told_honestly_and_their_reasons_to_the_owner_alone():
    refused = outcome(RunState.ERROR, "first words", "no key for openai")
    failed = outcome(RunState.ERROR, error="no disk")
    assert said(refused, Authority.OWNER) == [
        "first words",
        "I could not answer this: no key for openai",
    ]
    assert said(failed, Authority.OWNER) == ["I could not answer this: no disk"]
    for less in (Authority.PAIRED, Authority.GUEST, Authority.OUTSIDE):
        assert "openai" not in str(said(refused, less))
        assert "disk" not in str(said(failed, less))
    assert "in time" in said(outcome(RunState.TIMEOUT, error="600 s"), Authority.PAIRED)[0]


def test_what_cannot_be_rendered_is_sent_as_it_is():
    assert texts(plan(outcome(RunState.DONE, "boom", "a|b"))) == ["boom", "a", "b"]


async def test_the_end_takes_the_message_from_the_inbox_and_puts_the_answer_into_the_outbox():
    told: list[AccountKey] = []
    mine = delivery(told)
    answer = plan(outcome(RunState.DONE, "a|b"))
    assert answer is not None
    async with memory_database() as database:
        await database.write(_put)
        for _ in range(2):
            await database.write(lambda tx: mine.finish(tx, answer, now_ms=1_000))
        row = await database.read(lambda tx: inbox_records.find(tx, 1))
        assert row is not None
        assert (row.state, row.reason) == ("done", "answered")
        rows = await _outbox(database)
        assert [(one.run_id, one.part_of, one.expires_at_ms) for one in rows] == [
            ("r1", "r1", 11_000)
        ] * 2
        assert {one.provenance for one in rows} == {PAIRED}
    mine.notify(answer)
    silent = plan(outcome(RunState.DONE))
    assert silent is not None
    mine.notify(silent)
    assert told == [("chat", "default")]


async def test_the_first_message_of_an_answer_takes_the_place_that_is_held_for_it():
    asked: list[AccountKey] = []

    def reserve(key: AccountKey) -> Reservation:
        asked.append(key)
        return Reservation(key=key, lease_ms=1_000, on_end=lambda *_: None)

    mine = Delivery(halves, notify=lambda _: None, ttl_s=lambda: 10.0, reserve=reserve)
    answer, silent = plan(outcome(RunState.DONE, "a|b")), plan(outcome(RunState.DONE))
    assert answer is not None
    assert silent is not None
    assert mine.reserve(silent) is None
    assert delivery().reserve(answer) is None
    place = mine.reserve(answer)
    assert asked == [("chat", "default")]
    async with memory_database() as database:
        await database.write(_put)
        taken = await database.write(lambda tx: mine.finish(tx, answer, now_ms=1_000, place=place))
        assert taken is not None
        assert taken.idempotency_key == "r1/1"
        rows = await _outbox(database)
        assert sorted(row.state for row in rows) == [OutboxState.SENDING, OutboxState.WAITING]
        again = await database.write(lambda tx: mine.finish(tx, answer, now_ms=1_000, place=place))
        assert again is None


def _put(tx: Tx) -> None:
    new = NewRow(
        message=message(),
        provenance=PAIRED,
        lane="a",
        session_key=SessionKey("agent:main:main"),
        received_at_ms=1,
        due_at_ms=1,
    )
    inbox_records.insert(tx, new)


async def _outbox(database: Database) -> tuple[OutboxRow, ...]:
    page = await database.read(lambda tx: outbox_records.page(tx, OutboxQuery()))
    return tuple(page.rows)


def dead(outbox_id: int = 7, **more: Any) -> OutboxRow:
    values: dict[str, Any] = {
        "outbox_id": outbox_id,
        "idempotency_key": f"r1/{outbox_id}",
        "channel": "chat",
        "account": "default",
        "conversation": "c1",
        "outgoing": None,
        "provenance": PAIRED,
        "run_id": "r1",
        "part_of": "r1",
        "state": OutboxState.DEAD,
        "attempts": 3,
        "failures": 3,
        "fence": 1,
        "may_be_repeat": False,
        "is_screened": True,
        "next_at_ms": 0,
        "created_at_ms": 0,
        "expires_at_ms": 0,
        "cause": Cause.REFUSED,
        "reason": "blocked by the user",
        **more,
    }
    return OutboxRow(**values)


async def test_agent_and_owner_learn_what_never_arrived_once():
    events: list[Event] = []
    async with agent_house(say("answer")) as house:
        await (await house.agent.submit(ask("hi"))).ended()
        notices = DeadNotices(house.database, SystemClock(), events.append)
        rows = (
            dead(),
            dead(8, cause=Cause.FOLLOWED),
            dead(9, run_id=None),
            dead(10, run_id="unknown"),
        )
        for _ in range(2):
            await notices.delivery_failed(rows)
        history = await house.sessions.history("main")
        assert [one.role for one in history] == ["user", "assistant", "assistant"]
        assert "blocked by the user" in history[-1].text
        assert events[0].name == "chat"
        await (await house.agent.submit(ask("again", RunId("r2")))).ended()
        assert "blocked by the user" in str(house.provider.requests[-1].messages)


def test_a_note_always_has_a_reason():
    assert "expired" in undelivered_text(dead(reason=None, cause=Cause.EXPIRED))
    assert "given up" in undelivered_text(dead(reason=None, cause=None))


async def test_the_finished_answer_takes_the_place_of_what_was_shown_before_it():
    tasks = Tasks("drafts", lambda _name, _error: None)
    async with memory_database() as database:
        drafts = Drafts(
            database,
            accounts=lambda _channel, _account: None,
            infos=lambda channel: ChannelInfo(id=channel, label=channel, can_edit=True),
            wants=lambda _target: True,
            render=halves,
            clock=SystemClock(),
            tasks=tasks,
        )
        sending = Delivery(halves, notify=lambda _key: None, ttl_s=lambda: 10.0, drafts=drafts)
        answer = sending.answer(
            ROUTE, ["a|b"], run_id=RunId("r"), provenance=PAIRED, state=RunState.DONE
        )
        await database.write(lambda tx: draft_records.begin(tx, "r", TARGET, now_ms=1))
        await database.write(lambda tx: draft_records.shown(tx, "r", "draft-1"))
        await sending.quiet(answer)
        await database.write(lambda tx: sending.finish(tx, answer, now_ms=1))
        found = await database.read(lambda tx: outbox_records.page(tx, OutboxQuery(limit=9)))
        sent = [row.outgoing for row in found.rows][::-1]
        assert [(one.kind, one.about_message_id, one.text) for one in sent if one] == [
            (OutgoingKind.EDIT, "draft-1", "a"),
            (OutgoingKind.MESSAGE, None, "b"),
        ]


async def test_without_drafts_there_is_nothing_to_wait_for():
    answer = plan(outcome(RunState.DONE, "a"))
    assert answer is not None
    await delivery().quiet(answer)
