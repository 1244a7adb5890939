"""From the inbox to turns: order, authority, restarts, giving up."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest

from carapace.agent import records as turn_records
from carapace.agent.delivery import GIVEN_UP_TEXT
from carapace.agent.ending import OWED_TEXT
from carapace.agent.inbound import MAX_STARTS
from carapace.agent.lanes import MAX_QUEUED_PER_SESSION
from carapace.agent.providers.ports import (
    ImagePart,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
)
from carapace.agent.types import RunState
from carapace.agent.understanding.prepare import PreparedInput
from carapace.channels.inbox import records as inbox_records
from carapace.channels.types import InboundMedia, InboundMessage
from carapace.errors import Failed, Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Authority, Origin, Provenance
from support.agent_house import ask
from support.inbound_house import ANNA, InboundHouse, inbound_house, open_house
from support.scripted_provider import Hang, echo, say

HANGING = (TextDelta("w0"), Hang())


async def settled(house: InboundHouse) -> None:
    """Wait until nothing is being answered."""
    async with asyncio.timeout(5):
        while True:
            if not house.inbound.working and not house.inbox.waiting:
                return
            await asyncio.sleep(0.001)


async def test_a_message_is_answered_where_it_came_from():
    async with inbound_house(say("Hello", " you")) as house:
        await house.say("hi")
        assert await house.texts(1) == ["Hello you"]
        await settled(house)
        (row,) = await house.inbox_rows()
        assert (row.state, row.reason, row.run_id) == ("done", "answered", "inbox-1")
        (sent,) = house.account.sent
        assert sent.idempotency_key == "inbox-1/1"
        entry = await house.house.sessions.get("main")
        assert entry is not None
        assert (entry.last_channel, entry.last_to) == ("recording", "c-u-owner")


async def test_messages_of_a_conversation_are_answered_in_order_one_at_a_time():
    may_end = asyncio.Event()
    async with inbound_house((Hang(may_end), *say("first")), echo) as house:
        await house.say("one", "m1")
        await house.house.provider.hanging.wait()
        for number in range(2, 6):
            await house.say(f"number {number}", f"m{number}")
        assert house.inbound.working == 1
        may_end.set()
        texts = await house.texts(5)
        assert [f"number {at}" in text for at, text in enumerate(texts, start=1)] == [
            False,
            *[True] * 4,
        ]


async def test_conversations_do_not_wait_for_each_other():
    async with inbound_house(HANGING, say("quick")) as house:
        await house.say("slow", "m1")
        await house.house.provider.hanging.wait()
        await house.say("fast", "m2", room="room", mentions_us=True)
        assert await house.texts(1) == ["quick"]
        (sent,) = house.account.sent
        assert sent.reply_to == "m2"


async def test_no_more_are_worked_at_than_allowed():
    async with inbound_house(HANGING, say("quick")) as house:
        house.inbound._max_working = 1
        await house.say("slow", "m1")
        await house.house.provider.hanging.wait()
        await house.say("fast", "m2", room="room", mentions_us=True)
        assert house.inbound.working == 1
        await house.house.agent.abort(SessionKey("agent:main:main"))
        assert await house.texts(1) == ["quick"]


async def test_a_full_session_is_waited_for_and_burns_nothing():
    async with inbound_house(HANGING, say("answer")) as house:
        runs = [
            await house.house.agent.submit(ask("x", f"r{number}"))
            for number in range(MAX_QUEUED_PER_SESSION + 1)
        ]
        await house.say("hi")
        for run in runs:
            await house.house.agent.abort(run.session_key, run.run_id)
        assert await house.texts(1) == ["answer"]
        (row,) = await house.inbox_rows()
        assert row.attempts == 1


async def test_a_stopped_turn_is_dealt_with_and_says_nothing():
    async with inbound_house(HANGING) as house:
        await house.say("hi")
        await house.house.provider.hanging.wait()
        await house.house.agent.abort(SessionKey("agent:main:main"))
        await settled(house)
        (row,) = await house.inbox_rows()
        assert (row.state, row.reason) == ("done", "stopped by a person")
        assert await house.outbox_rows() == []


async def test_an_orderly_stop_cuts_nothing_and_counts_no_start():
    with tempfile.TemporaryDirectory(prefix="carapace-inbound-") as name:
        folder = Path(name)
        async with open_house(folder, HANGING) as house:
            await house.say("hi")
            await house.house.provider.hanging.wait()
            await house.stop()
            (row,) = await house.inbox_rows()
            assert (row.state, row.attempts) == ("waiting", 0)
            assert house.house.told("chat")[-1]["errorMessage"] == OWED_TEXT
            history = await house.house.sessions.history("main")
            assert [one.role for one in history] == ["user"]
        async with open_house(folder, say("late but here")) as house:
            assert house.house.agent.cut_runs() == ()
            assert await house.texts(1) == ["late but here"]
            history = await house.house.sessions.history("main")
            assert [one.role for one in history] == ["user", "assistant"]


async def test_who_kills_every_start_is_given_up_and_told():
    with tempfile.TemporaryDirectory(prefix="carapace-inbound-") as name:
        folder = Path(name)
        for start in range(MAX_STARTS):
            async with open_house(folder, HANGING) as house:
                if start == 0:
                    await house.say("poison")
                await house.house.provider.hanging.wait()
        async with open_house(folder, say("fine")) as house:
            assert await house.texts(1) == [GIVEN_UP_TEXT]
            (row,) = await house.inbox_rows()
            assert (row.state, row.attempts) == ("dead", MAX_STARTS)
            assert f"interrupted {MAX_STARTS} times" in (row.reason or "")
            turn = await house.database.read(lambda tx: turn_records.find(tx, RunId("inbox-1")))
            assert turn is not None
            assert turn.outcome is not None
            assert turn.outcome.state is RunState.CUT
            assert house.house.provider.requests == []
            await house.inbox.replay(1)
            assert await house.texts(2) == [GIVEN_UP_TEXT, "fine"]


async def test_clients_of_our_own_are_cut_by_a_restart_as_ever():
    with tempfile.TemporaryDirectory(prefix="carapace-inbound-") as name:
        folder = Path(name)
        async with open_house(folder, HANGING) as house:
            await house.house.agent.submit(ask("hi"))
            await house.house.provider.hanging.wait()
        async with open_house(folder, say("x")) as house:
            assert [one.run_id for one in house.house.agent.cut_runs()] == ["r1"]


async def test_what_its_sender_may_no_longer_say_is_not_answered():
    async with inbound_house(say("first"), echo) as house:
        house.inbound._authority_now = lambda one: Authority.NONE
        await house.say("hi", sender=ANNA)
        await settled(house)
        (row,) = await house.inbox_rows()
        assert (row.state, row.reason) == (
            "dead",
            "its sender may not write to the assistant any more",
        )
        assert house.house.provider.requests == []


async def test_a_command_reaches_the_agent_as_one():
    async with inbound_house(say("old"), say("welcome"), say("answer")) as house:
        await house.say("hi", "m1")
        await house.texts(1)
        await house.say("/status", "m2")
        texts = await house.texts(2)
        assert "Session: agent:main:main" in texts[1]
        before = await house.house.sessions.get("main")
        await house.say("/new\ntell me", "m3")
        await house.texts(3)
        after = await house.house.sessions.get("main")
        assert before is not None
        assert after is not None
        assert before.session_id != after.session_id
        history = await house.house.sessions.history("main")
        assert history[0].text == "tell me"


async def test_words_that_look_like_a_command_are_none_unless_policy_says_so():
    async with inbound_house(echo) as house:
        await house.say("please /new", "m1")
        await house.texts(1)
        request = house.house.provider.requests[0]
        assert "please /new" in str(request.messages)


async def test_files_and_links_are_made_readable_once_and_the_start_counts_first():
    seen: list[tuple[int, int]] = []
    image = ImagePart("image/png", "iVBORw0KGgo=")

    async with inbound_house(echo, target={"takes_images": True}) as house:

        async def prepare(
            messages: tuple[InboundMessage, ...], words: Provenance, agent_id: AgentId
        ) -> PreparedInput:
            row = await house.inbox.get(1)
            assert row is not None
            seen.append((len(messages), row.attempts))
            return PreparedInput(
                images=(image,), extra_text="FENCED", notes=("a note",), provenance=words
            )

        house.inbound._prepare = prepare
        await house.say("look", "m1", media=(InboundMedia(content_type="image/png"),))
        await house.account.sent_at_least(1)
        (request,) = house.house.provider.requests
        assert image in request.messages[0].parts
        assert "FENCED" in str(request.messages)
        await house.say("plain", "m2")
        await house.account.sent_at_least(2)
        await house.say("see https://x.test/", "m3")
        await house.account.sent_at_least(3)
        assert seen == [(1, 1), (1, 1)]


async def test_what_the_agent_will_never_take_is_a_dead_letter_and_its_sender_is_told(
    monkeypatch: pytest.MonkeyPatch,
):
    async with inbound_house(echo) as house:

        async def refuse(submission: object) -> object:
            raise Refused("secret reason")

        monkeypatch.setattr(house.house.agent, "accept", refuse)
        await house.say("one", "m1")
        await house.say("two", "m2", sender=ANNA)
        texts = await house.texts(2)
        assert "I could not take your message: secret reason" in texts
        assert sum("secret" in text for text in texts) == 1
        assert [row.state for row in await house.inbox_rows()] == ["dead", "dead"]


async def test_a_disk_that_fails_for_a_moment_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("carapace.agent.inbound._RETRY_S", 0.01)
    monkeypatch.setattr("carapace.agent.inbound._DISK_PAUSE_S", 0.01)
    async with inbound_house(say("here")) as house:
        accept, take = house.house.agent.accept, house.inbox.take
        failures = [Failed("no disk", retryable=True)] * 2

        async def flaky_accept(submission: Any) -> Any:
            if failures:
                raise failures.pop()
            return await accept(submission)

        async def flaky_take(limit: int) -> Any:
            monkeypatch.setattr(house.inbox, "take", take)
            raise ValueError(limit)

        monkeypatch.setattr(house.house.agent, "accept", flaky_accept)
        monkeypatch.setattr(house.inbox, "take", flaky_take)
        await house.say("hi")
        assert await house.texts(1) == ["here"]


async def test_an_answer_that_cannot_be_saved_is_made_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("carapace.agent.inbound._RETRY_S", 0.01)
    monkeypatch.setattr("carapace.agent.ending._SAVE_PAUSES_S", (0.001, 0.001, 0.001))
    async with inbound_house(say("first"), say("second")) as house:
        store = house.house.agent._turns._endings._store
        failures = [Failed("disk full")] * 4

        def flaky(*args: Any, **more: Any) -> Any:
            if failures:
                raise failures.pop()
            return store(*args, **more)

        monkeypatch.setattr(house.house.agent._turns._endings, "_store", flaky)
        await house.say("hi")
        assert await house.texts(1) == ["second"]
        (row,) = await house.inbox_rows()
        assert (row.state, row.attempts) == ("done", 1)
        history = await house.house.sessions.history("main")
        assert [one.role for one in history] == ["user", "assistant"]
        assert history[-1].text == "second"


async def test_a_run_id_that_a_client_used_is_no_answer():
    async with inbound_house(echo) as house:
        await (await house.house.agent.submit(ask("mine", "inbox-1"))).ended()
        house.house.agent._book._finished.clear()
        await house.say("hi")
        await settled(house)
        (row,) = await house.inbox_rows()
        assert row.state == "dead"
        assert "run id" in (row.reason or "")
        await house.inbox.replay(1)
        await house.account.sent_at_least(1)


async def test_a_reason_is_for_the_owner_and_an_apology_for_others():
    fault = ProviderError(ProviderFault.AUTH, "no key for openai in vault")
    async with inbound_house((fault,)) as house:
        await house.say("one", "m1")
        (first,) = await house.texts(1)
        await house.say("two", "m2", sender=ANNA)
        (_, second) = await house.texts(2)
        assert "no key for openai" in first
        assert "went wrong" in second
        assert "openai" not in second


async def test_somebody_may_watch_runs_begin():
    began: list[str] = []
    async with inbound_house(echo) as house:
        house.inbound._started = lambda run, route: began.append(
            f"{run.run_id} {route.target.conversation}"
        )
        await house.say("hi")
        await house.account.sent_at_least(1)
        assert began == ["inbox-1 c-u-owner"]


async def test_a_drain_that_runs_out_of_time_leaves_the_message_for_the_next_start():
    async with inbound_house(HANGING) as house:
        await house.say("hi")
        await house.house.provider.hanging.wait()
        assert not await house.inbound.drain(0.0)
        (row,) = await house.inbox_rows()
        assert (row.state, row.attempts) == ("waiting", 0)


async def test_a_row_without_its_text_gets_no_last_words():
    async with inbound_house(echo) as house:
        await house.say("hi")
        await house.account.sent_at_least(1)
        await settled(house)
        row = (await house.inbox_rows())[0]
        await house.database.write(
            lambda tx: inbox_records.prune(tx, bodies_before_ms=10**15, rows_before_ms=0)
        )
        bare = await house.inbox.get(row.inbox_id)
        assert bare is not None
        assert house.inbound._farewell(RunId("r"), (bare,)).outgoing == ()


async def test_a_turn_carries_whose_words_it_follows():
    async with inbound_house(echo) as house:
        await house.say("hi", sender=ANNA)
        await house.account.sent_at_least(1)
        turn = await house.database.read(lambda tx: turn_records.find(tx, RunId("inbox-1")))
        assert turn is not None
        assert turn.provenance == Provenance(
            origin=Origin.CHANNEL,
            authority=Authority.PAIRED,
            channel="recording",
            account="default",
            sender_id=ANNA,
            conversation=f"c-{ANNA}",
        )
        (row,) = await house.outbox_rows()
        assert (row.provenance, row.run_id) == (turn.provenance, "inbox-1")


async def test_an_answer_is_saved_again_before_the_model_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("carapace.agent.ending._SAVE_PAUSES_S", (0.001, 0.001, 0.001))
    async with inbound_house(say("first"), say("second")) as house:
        store, failures = house.house.agent._turns._endings._store, [Failed("disk full")] * 3

        def flaky(*args: Any, **more: Any) -> Any:
            if failures:
                raise failures.pop()
            return store(*args, **more)

        monkeypatch.setattr(house.house.agent._turns._endings, "_store", flaky)
        await house.say("hi")
        assert await house.texts(1) == ["first"]
        assert len(house.house.provider.requests) == 1


async def test_failures_make_a_lane_rest_longer_each_time():
    async with inbound_house(echo) as house:
        rests = [house.inbound._rest_s("r", has_ended=False) for _ in range(9)]
        assert rests[:4] == [5.0, 10.0, 20.0, 40.0]
        assert rests[-1] == 300.0
        assert house.inbound._rest_s("r", has_ended=True) == 0.0
        assert house.inbound._rest_s("r", has_ended=False) == 5.0


async def test_a_session_that_may_not_send_begins_no_turn_and_says_nothing():
    async with inbound_house(say("unused")) as house:
        await house.house.sessions.patch(SessionsPatch(key="main", send_policy="deny"))
        await house.say("hi", "m1")
        await house.say("/send on", "m2")
        assert await house.texts(1) == ["Sending: on (answers are sent)"]
        first, _second = await house.inbox_rows()
        assert (first.state, first.reason) == ("dead", "send blocked by session policy")
        assert house.house.provider.requests == []


async def test_an_answer_is_not_sent_where_that_was_forbidden_meanwhile():
    go = asyncio.Event()
    async with inbound_house((TextDelta("secret"), Hang(until=go), Stop("stop"))) as house:
        await house.say("hi", "m1")
        await house.house.provider.hanging.wait()
        await house.house.sessions.patch(SessionsPatch(key="main", send_policy="deny"))
        go.set()
        run = await house.house.agent.find(RunId("inbox-1"))
        assert run is not None
        await run.ended()
        assert await house.outbox_rows() == []


async def test_a_setting_of_the_owner_is_refused_once_its_sender_is_none():
    async with inbound_house(say("unused")) as house:
        message_of = house.inbound._authority_now
        assert message_of is not None
        house.inbound._authority_now = lambda one: (
            Authority.PAIRED if one.message_id == "m1" else message_of(one)
        )
        await house.say("/think high", "m1")
        await house.say("/think", "m2")
        assert await house.texts(1) == ["Thinking: off (the default)"]
        first, _second = await house.inbox_rows()
        assert first.state == "dead"
