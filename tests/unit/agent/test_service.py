"""The agent's service: durable acceptance, order, endings, restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.agent import records
from carapace.agent.ending import CUT_TEXT
from carapace.agent.providers.ports import TextDelta, TextPart
from carapace.agent.service import CUT_REPORT_S, GRACE_S
from carapace.agent.types import RunEnded, RunState, StopReason, TextUpdate
from carapace.clock import SystemClock
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.errors import Failed, Refused
from carapace.ids import RunId, SessionKey
from carapace.sessions.types import Route
from support.agent_house import MAIN, AgentHouse, agent_house, ask, build_house, done, texts, typed
from support.clock import FakeClock
from support.scripted_provider import Hang, ScriptedProvider, echo, say

OTHER = SessionKey("agent:main:other")
HANGING = (TextDelta("w0"), Hang())


async def test_a_message_is_on_disk_when_it_is_acknowledged():
    async with agent_house(HANGING) as house:
        run = await house.agent.submit(ask("hello"))
        row = await house.database.read(lambda tx: records.find(tx, run.run_id))
        assert row is not None
        assert row.outcome is None
        assert [one.text for one in await house.sessions.history("main")] == ["hello"]


async def test_a_run_says_what_the_recorded_one_said():
    async with agent_house(say("Echo:", " hello", " golden")) as house:
        outcome = await (await house.agent.submit(ask("hello golden"))).ended()
        assert house.states() == [
            "agent lifecycle 1",
            "agent assistant 2",
            "chat delta 2",
            "agent assistant 3",
            "agent assistant 4",
            "agent lifecycle 5",
            "chat final 5",
        ]
        assert (outcome.state, outcome.summary) == (RunState.DONE, "completed")
        assert house.told("chat")[-1]["message"]["content"][0]["text"] == "Echo: hello golden"
        stored = await house.sessions.history("main")
        assert [(one.role, one.text) for one in stored] == [
            ("user", "hello golden"),
            ("assistant", "Echo: hello golden"),
        ]
        assert house.metrics.turns.labels("done")._value.get() == 1


async def test_the_same_run_id_again_is_the_same_run():
    async with agent_house(echo) as house:
        first = await house.agent.submit(ask("hi"))
        again = await house.agent.submit(ask("hi"))
        await first.ended()
        assert again is first
        assert await house.agent.submit(ask("hi")) is first
        assert len(house.provider.requests) == 1


async def test_two_at_once_with_one_run_id_are_one_run():
    async with agent_house(echo) as house:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(house.agent.submit(ask("hi")))
            two = group.create_task(house.agent.submit(ask("hi")))
        assert one.result() is two.result()
        await one.result().ended()
        assert len(house.provider.requests) == 1


async def test_a_run_id_of_another_session_is_refused():
    async with agent_house(echo) as house:
        await (await house.agent.submit(ask("hi"))).ended()
        with pytest.raises(Refused, match="another session"):
            await house.agent.submit(ask("hi", key=OTHER))


async def test_turns_of_a_session_follow_each_other_and_see_each_other():
    first_may_end = asyncio.Event()
    slow = (TextDelta("first"), Hang(first_may_end), *say(" answer"))
    async with agent_house(slow, echo) as house:
        one = await house.agent.submit(ask("one", "r1"))
        two = await house.agent.submit(ask("two", "r2"))
        await house.provider.hanging.wait()
        assert (house.agent.running, house.agent.queued) == (1, 1)
        first_may_end.set()
        await one.ended()
        await two.ended()
        seen = [
            (message.role, part.text)
            for message in house.provider.requests[1].messages
            for part in message.parts
            if isinstance(part, TextPart)
        ]
        assert seen == [("user", "one"), ("assistant", "first answer"), ("user", "two")]
        assert len(house.provider.requests[0].messages) == 1


async def test_a_full_lane_refuses_and_writes_nothing_down():
    async with agent_house(HANGING) as house:
        for number in range(21):
            await house.agent.submit(ask("x", f"r{number}"))
        with pytest.raises(Refused, match="waiting already"):
            await house.agent.submit(ask("x", "too many"))
        assert await house.agent.find(RunId("too many")) is None


async def test_aborting_tells_at_once_and_keeps_what_was_said():
    async with agent_house(HANGING) as house:
        run = await house.agent.submit(ask("hi"))
        await house.provider.hanging.wait()
        assert await house.agent.abort(MAIN, run.run_id) == ("r1",)
        assert house.told("chat")[-1] == {
            "runId": "r1",
            "sessionKey": "main",
            "seq": 3,
            "state": "aborted",
            "stopReason": "rpc",
        }
        outcome = await run.ended()
        assert (outcome.state, outcome.status) == (RunState.ABORTED, "ok")
        assert outcome.result is not None
        assert outcome.result.meta.aborted
        stored = await house.sessions.history("main")
        assert (stored[-1].text, stored[-1].stop_reason) == ("w0", "aborted")
        assert house.provider.cancelled == 1
        assert await house.agent.abort(MAIN) == ()
        entry = await house.sessions.get("main")
        assert entry is not None
        assert entry.aborted_last_run


async def test_aborting_a_session_ends_what_waits_too():
    async with agent_house(HANGING) as house:
        runs = [await house.agent.submit(ask("x", name)) for name in ("a", "b")]
        await house.provider.hanging.wait()
        assert await house.agent.abort(MAIN, reason=StopReason.STOP) == ("a", "b")
        outcomes = [await run.ended() for run in runs]
        assert [one.state for one in outcomes] == [RunState.ABORTED, RunState.ABORTED]
        assert (await house.agent.submit(ask("c", "c"))).run_id == "c"


async def test_a_quiet_session_has_every_end_written_down():
    async with agent_house((TextDelta("w0"), Hang())) as house:
        first = await house.agent.submit(ask("x", "a"))
        waiting = await house.agent.submit(ask("y", "b"))
        await house.provider.hanging.wait()
        await house.agent.quiet(MAIN)
        assert first.outcome is not None
        assert waiting.outcome is not None
        assert [one.text for one in await house.sessions.history("main")] == ["x", "y", "w0"]
        await house.agent.quiet(MAIN)


async def test_a_run_id_tells_whether_it_is_new():
    async with agent_house(say("ok")) as house:
        first = await house.agent.accept(ask("x", "a"))
        again = await house.agent.accept(ask("x", "a"))
        assert (first.is_new, again.is_new) == (True, False)
        assert again.run is first.run
        await first.run.ended()
        assert house.metrics.tokens.labels("input")._value.get() == 10
        assert house.metrics.tokens.labels("output")._value.get() == 1


async def test_aborting_before_the_first_step_leaves_the_lane_free():
    async with agent_house(echo) as house:
        run = await house.agent.submit(ask("x", "a"))
        assert await house.agent.abort(MAIN) == ("a",)
        assert (await run.ended()).state is RunState.ABORTED
        assert (await (await house.agent.submit(ask("y", "b"))).ended()).state is RunState.DONE


async def test_a_run_of_another_session_is_not_aborted():
    async with agent_house(HANGING) as house:
        run = await house.agent.submit(ask("hi"))
        with pytest.raises(Refused, match="does not match"):
            await house.agent.abort(OTHER, run.run_id)
        assert await house.agent.abort(OTHER, RunId("nobody")) == ()


async def test_a_turn_that_overruns_its_time_is_ended():
    clock = FakeClock()
    async with agent_house(HANGING, echo, clock=clock) as house:
        run = await house.agent.submit(ask("hi", timeout_s=5.0))
        await house.provider.hanging.wait()
        await clock.advance(5.0)
        outcome = await run.ended()
        assert (outcome.state, outcome.status) == (RunState.TIMEOUT, "error")
        assert "5 s" in (outcome.error or "")
        assert house.told("chat")[-1]["stopReason"] == "timeout"
        assert (await (await house.agent.submit(ask("y", "b"))).ended()).state is RunState.DONE


async def test_a_turn_that_will_not_end_loses_its_lane():
    clock = FakeClock()
    let_go = asyncio.Event()

    async with agent_house(HANGING, clock=clock) as house:
        turns = house.agent._turns
        real = turns.run

        async def stubborn(run: object) -> object:
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            return await real(run)  # pyright: ignore[reportArgumentType] - it is a Run

        turns.run = stubborn  # pyright: ignore[reportAttributeAccessIssue] - made stubborn for this test
        run = await house.agent.submit(ask("hi", timeout_s=1.0))
        await clock.advance(1.0)
        await clock.advance(GRACE_S)
        assert (await run.ended()).state is RunState.TIMEOUT
        assert house.agent.running == 0
        let_go.set()


async def test_an_end_that_is_slow_to_write_is_not_replaced_by_an_empty_one():
    clock = FakeClock()
    async with agent_house(say("the answer"), clock=clock) as house:
        endings, writing, may_end = house.agent._turns._endings, asyncio.Event(), asyncio.Event()
        save = endings._save

        async def slow(*args: Any) -> None:
            if not writing.is_set():
                writing.set()
                await may_end.wait()
            await save(*args)

        endings._save = slow  # pyright: ignore[reportAttributeAccessIssue] - made slow for this test
        run = await house.agent.submit(ask("hi", timeout_s=1.0))
        await writing.wait()
        await clock.advance(1.0)
        await clock.advance(GRACE_S)
        may_end.set()
        assert (await run.ended()).state is RunState.DONE
        assert [one.text for one in await house.sessions.history("main")] == ["hi", "the answer"]


async def test_a_session_continues_after_the_model_refused():
    async with agent_house(say("ok")) as house:
        for name in ("a", "b"):
            await (await house.agent.submit(ask("x", name))).ended()
        assert house.agent.running == 0


async def test_waiting_for_a_run_that_comes_later():
    async with agent_house(echo) as house:
        waiter = asyncio.create_task(house.agent.wait(RunId("r1"), 5.0))
        await asyncio.sleep(0)
        await house.agent.submit(ask("hi"))
        outcome = await waiter
        assert outcome is not None
        assert outcome.state is RunState.DONE
        assert await house.agent.wait(RunId("nobody"), 0.01) is None


async def test_updates_stream_the_text_and_the_end():
    async with agent_house(say("a", "b")) as house:
        run = await house.agent.submit(ask("hi"))
        updates = [one async for one in house.agent.updates(run.run_id)]
        assert "".join(one.text for one in updates if isinstance(one, TextUpdate)) == "ab"
        assert isinstance(updates[-1], RunEnded)
        assert [one async for one in house.agent.updates(RunId("nobody"))] == []


async def test_a_restart_cuts_what_was_owed_and_says_so():
    clock = FakeClock()
    async with agent_house(HANGING, clock=clock) as house:
        await house.agent.submit(ask("hi"))
        await house.provider.hanging.wait()
        # A second service on the same database stands for the process after kill -9.
        after = build_house(house.database, house.folder, ScriptedProvider(echo), clock=clock)
        cut = await after.agent.recover()
        assert [(one.run_id, one.shown_key, one.error) for one in cut] == [("r1", "main", CUT_TEXT)]
        assert after.agent.cut_runs() == cut
        again = await after.agent.submit(ask("hi"))
        assert again.is_replayed
        assert again.outcome is not None
        assert (again.outcome.state, again.outcome.status) == (RunState.CUT, "error")
        waited = await after.agent.wait(RunId("r1"), 1.0)
        assert waited is not None
        assert waited.error == CUT_TEXT
        assert (await (await after.agent.submit(ask("go on", "r2"))).ended()).status == "ok"
        await clock.advance(CUT_REPORT_S)
        assert after.agent.cut_runs() == ()
        await after.agent.drain(0.0)


async def test_an_ended_run_is_known_after_a_restart():
    async with agent_house(echo) as house:
        await (await house.agent.submit(ask("hi"))).ended()
        after = build_house(
            house.database, house.folder, ScriptedProvider(echo), clock=SystemClock()
        )
        assert await after.agent.recover() == ()
        again = await after.agent.submit(ask("hi"))
        assert again.outcome is not None
        assert again.outcome.result is not None
        assert again.outcome.result.payloads[0].text == "Echo: hi"
        assert again.outcome.result.meta.system_prompt_report is None
        assert after.provider.requests == []


async def test_draining_lets_turns_end():
    may_end = asyncio.Event()
    async with agent_house((Hang(may_end), *say("done"))) as house:
        run = await house.agent.submit(ask("hi"))
        await house.provider.hanging.wait()
        drain = asyncio.create_task(house.agent.drain(5.0))
        await asyncio.sleep(0)
        with pytest.raises(Failed, match="stopping"):
            await house.agent.submit(ask("late", "r2"))
        may_end.set()
        assert await drain
        assert (await run.ended()).state is RunState.DONE


async def test_draining_cuts_what_does_not_end():
    async with agent_house(HANGING) as house:
        running = await house.agent.submit(ask("a", "a"))
        waiting = await house.agent.submit(ask("b", "b"))
        await house.provider.hanging.wait()
        assert not await house.agent.drain(0.01)
        assert (await running.ended()).state is RunState.CUT
        assert (await waiting.ended()).state is RunState.CUT
        assert house.told("chat")[-1]["state"] == "error"


async def test_status_is_answered_without_a_model():
    async with agent_house(echo) as house:
        run = await house.agent.submit(typed("/status"))
        assert run.outcome is not None
        final = house.told("chat")[-1]
        assert (final["seq"], final["state"]) == (1, "final")
        assert final["message"]["stopReason"] == "injected"
        assert house.provider.requests == []
        assert (await house.sessions.history("main"))[-1].stop_reason == "injected"
        assert await house.agent.submit(typed("/status")) is run


async def test_a_blank_message_is_answered_without_a_model():
    async with agent_house(echo) as house:
        await house.agent.submit(ask("  ", as_chat=True))
        assert "empty" in house.told("chat")[-1]["message"]["content"][0]["text"]


async def test_new_begins_another_transcript_and_greets():
    async with agent_house(HANGING, echo) as house:
        old = await house.agent.submit(ask("hi", "r1"))
        await house.provider.hanging.wait()
        new = await house.agent.submit(typed("/new", "r2"))
        assert (await old.ended()).state is RunState.ABORTED
        await new.ended()
        assert new.session_id != old.session_id
        stored = await house.sessions.history("main")
        assert [one.role for one in stored] == ["user", "assistant"]
        assert "new session" in stored[0].text


async def test_new_with_a_message_sends_it_there():
    async with agent_house(echo) as house:
        run = await house.agent.submit(typed("/new what now"))
        await run.ended()
        assert (await house.sessions.history("main"))[0].text == "what now"


async def test_nobody_behind_the_door_reads_a_command_out_of_a_text():
    async with agent_house(echo) as house:
        run = await house.agent.submit(ask("/new", as_chat=True))
        await run.ended()
        assert (await house.sessions.history("main"))[0].text == "/new"


@pytest.mark.parametrize(("running", "text"), [(True, "Stopped."), (False, "nothing to stop")])
async def test_a_typed_stop_ends_what_runs_and_says_so(running: bool, text: str):
    async with agent_house(HANGING) as house:
        if running:
            await house.agent.submit(ask("hi", "r1"))
            await house.provider.hanging.wait()
        answer = await done_typed(house, "/stop")
    assert text in answer


async def done_typed(house: AgentHouse, text: str, run_id: str = "c1") -> str:
    """What a typed command is answered."""
    run = await house.agent.submit(typed(text, run_id))
    return texts(await run.ended())[0]


async def test_a_compaction_that_was_asked_for_says_what_it_did():
    async with agent_house(*[say(f"answer {n}") for n in range(6)], say("NOTES")) as house:
        for number in range(6):
            await done(house, f"question {number}", f"q{number}")
        answer = await done_typed(house, "/compact keep the numbers")
        assert "Compacted: about" in answer
        assert "keep the numbers" in house.provider.requests[-1].system
        history = await house.sessions.history("main")
        assert (history[0].role, history[0].text) == ("system", "NOTES")
        assert not any("/compact" in one.text for one in history)
        assert history[-1].text == answer


async def test_a_short_conversation_is_not_compacted():
    async with agent_house(say("Hi")) as house:
        await done(house, "hello")
        assert "nothing to compact" in await done_typed(house, "/compact")
        assert len(house.provider.requests) == 1


async def test_status_tells_what_runs_and_waits():
    async with agent_house(HANGING) as house:
        await house.agent.submit(ask("hi", "r1"))
        await house.provider.hanging.wait()
        await house.agent.submit(ask("more", "r2"))
        assert "Turns: 1 running, 1 waiting" in await done_typed(house, "/status")


async def test_where_a_message_came_from_stays_with_its_session():
    async with agent_house(echo) as house:
        await house.agent.submit(ask("hi", route=Route(last_channel="webchat")))
        entry = await house.sessions.get("main")
        assert entry is not None
        assert entry.last_channel == "webchat"


async def test_an_injected_message_is_shown_and_kept():
    async with agent_house(echo) as house:
        await house.sessions.ensure("main")
        message_id = await house.agent.inject("main", "note", "golden")
        told = house.told("chat")[-1]
        assert (told["runId"], told["seq"]) == (f"inject-{message_id}", 0)
        assert told["message"]["content"][0]["text"] == "[golden]\n\nnote"
        with pytest.raises(Refused, match="session not found"):
            await house.agent.inject("agent:main:no-such", "x")


async def test_a_message_that_cannot_be_written_down_is_not_accepted():
    async with agent_house(echo) as house:
        await house.database.close()
        for text in ("hi", "  "):
            with pytest.raises(Failed):
                await house.agent._enqueue(ask(text)) if text.strip() else await house.agent._reply(
                    ask(text), "x"
                )
        assert house.agent.queued == 0
        assert list(house.agent._book.live()) == []


async def test_a_higher_cap_lets_waiting_turns_start():
    settings = AgentsSettings(defaults=AgentDefaults(skip_bootstrap=True))
    async with agent_house(HANGING, settings=settings, max_concurrent=1) as house:
        await house.agent.submit(ask("a", "a"))
        await house.agent.submit(ask("b", "b", key=OTHER))
        assert house.agent.running == 1
        house.agent.apply(max_concurrent=2)
        assert house.agent.running == 2
