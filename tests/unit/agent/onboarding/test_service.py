"""One set of questions at a time, known by its id, that writes once or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.agent.onboarding.machine import NO_CHANNEL
from carapace.agent.onboarding.service import Onboarding, Progress
from carapace.agent.onboarding.types import Choice, Facts, SetupPlan, Source
from carapace.errors import Failed, GatewayError, Refused
from support.clock import FakeClock

REST = (None, None, "local", "tiny", NO_CHANNEL, "hand", None)
"""All answers up to the last question."""


class Target:
    """Takes plans, or refuses them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.plans: list[SetupPlan] = []

    async def facts(self) -> Facts:
        await asyncio.sleep(0)
        local = Source(id="local", label="Local", models=(Choice("tiny", "tiny"),))
        return Facts(sources=(local,))

    async def write(self, plan: SetupPlan) -> None:
        if self.error is not None:
            raise self.error
        self.plans.append(plan)


async def through(onboarding: Onboarding, found: Progress, *values: Any) -> Progress:
    for value in values:
        found = await onboarding.answer(found.session_id, found.step_id, value)
    return found


async def test_yes_writes_once_and_a_last_note_ends_it():
    target, clock = Target(), FakeClock()
    onboarding = Onboarding(target, clock)
    found = await through(onboarding, await onboarding.start(" /w "), *REST, True)
    assert found.question is not None
    assert found.question.title == "Done"
    [plan] = target.plans
    assert plan.patch["agents"]["defaults"]["workspace"] == "/w"
    found = await through(onboarding, found, None)
    assert (found.status, found.question) == ("done", None)
    with pytest.raises(Refused, match=r"^wizard not found$"):
        onboarding.look(found.session_id)
    assert len(target.plans) == 1


async def test_no_writes_nothing():
    target = Target()
    onboarding = Onboarding(target, FakeClock())
    found = await through(onboarding, await onboarding.start(), *REST, False)
    assert (found.status, found.error, target.plans) == ("cancelled", "cancelled", [])
    await onboarding.start()


async def test_one_at_a_time_until_it_was_left_alone_for_long():
    clock = FakeClock()
    onboarding = Onboarding(Target(), clock)
    first = await onboarding.start()
    with pytest.raises(Failed, match=r"^wizard already running$"):
        await onboarding.start()
    await clock.advance(800)
    onboarding.look(first.session_id)
    await clock.advance(800)
    with pytest.raises(Failed):
        await onboarding.start()
    await clock.advance(200)
    second = await onboarding.start()
    assert second.session_id != first.session_id
    with pytest.raises(Refused, match=r"^wizard not found$"):
        onboarding.look(first.session_id)


async def test_a_client_that_comes_back_goes_on_where_it_was():
    onboarding = Onboarding(Target(), FakeClock())
    found = await through(onboarding, await onboarding.start(), None, None)
    assert onboarding.look(found.session_id) == found


async def test_an_answer_to_another_step_is_refused_and_changes_nothing():
    onboarding = Onboarding(Target(), FakeClock())
    first = await onboarding.start()
    second = await through(onboarding, first, None)
    for step_id in (first.step_id, "nope"):
        with pytest.raises(Refused, match=r"^Error: wizard: no pending step$"):
            await onboarding.answer(first.session_id, step_id, None)
    assert onboarding.look(first.session_id) == second


async def test_a_wrong_answer_leaves_the_step_open():
    onboarding = Onboarding(Target(), FakeClock())
    found = await through(onboarding, await onboarding.start(), None, None)
    with pytest.raises(Refused, match="Choose one of"):
        await onboarding.answer(found.session_id, found.step_id, "moon")
    assert onboarding.look(found.session_id) == found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Failed("the vault is locked"), "the vault is locked"),
        (
            Refused("invalid config", details={"issues": [{"path": "a", "message": "a is odd"}]}),
            "invalid config; a is odd",
        ),
    ],
)
async def test_what_cannot_be_written_ends_it_and_says_why(error: GatewayError, said: str):
    onboarding = Onboarding(Target(error), FakeClock())
    found = await through(onboarding, await onboarding.start(), *REST, True)
    assert (found.status, found.error, found.question) == ("error", said, None)
    await onboarding.start()


async def test_cancelling_forgets_the_answers():
    onboarding = Onboarding(Target(), FakeClock())
    found = await onboarding.start()
    ended = onboarding.cancel(found.session_id)
    assert (ended.status, ended.error) == ("cancelled", "cancelled")
    for call in (onboarding.cancel, onboarding.look):
        with pytest.raises(Refused, match=r"^wizard not found$"):
            call(found.session_id)


async def test_facts_that_cannot_be_found_leave_nothing_open():
    class Broken(Target):
        async def facts(self) -> Facts:
            raise Failed("the vault is locked")

    target = Broken()
    onboarding = Onboarding(target, FakeClock())
    for _ in range(2):
        with pytest.raises(Failed, match="the vault is locked"):
            await onboarding.start()
