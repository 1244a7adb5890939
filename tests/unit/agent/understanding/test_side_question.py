"""A question beside the turn: no tools, one answer, paid."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import (
    ProviderError,
    ProviderFault,
    Stop,
    TextPart,
    ThinkingDelta,
    ThinkingLevel,
    Usage,
)
from carapace.agent.records_usage import day_totals
from carapace.agent.understanding.side_question import SideQuestion, SideQuestions
from carapace.clock import SystemClock
from carapace.errors import Refused
from carapace.store.ports import Database
from support.database import memory_database
from support.scripted_provider import Hang, ScriptedProvider, say
from support.understanding import asker, charges, target

QUESTION = SideQuestion(
    purpose="summary",
    system="be brief",
    parts=(TextPart("what is it?"),),
    input_tokens=10,
    max_tokens=50,
)


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with memory_database() as made:
        yield made


@pytest.fixture
def questions(tmp_path: Path, database: Database) -> SideQuestions:
    return SideQuestions(charges(tmp_path, database), SystemClock())


async def spent(database: Database) -> list[Usage]:
    return [day.usage for day in await database.read(lambda tx: day_totals(tx, "2000-01-01"))]


async def test_it_is_asked_without_tools_and_without_thinking(questions: SideQuestions):
    script = (ThinkingDelta("hm"), *say(" a", " cat "))
    provider = ScriptedProvider(script)
    told = await questions.ask([target(provider)], QUESTION, asker(), timeout_s=5.0)
    assert told == "a cat"
    (request,) = provider.requests
    assert (request.tools, request.thinking) == ((), ThinkingLevel.OFF)
    assert (request.system, request.max_tokens, request.model) == ("be brief", 50, "eyes")
    assert request.messages[0].parts == QUESTION.parts


async def test_each_model_is_asked_once(questions: SideQuestions, database: Database):
    down = ScriptedProvider([ProviderError(ProviderFault.OVERLOADED, "HTTP 503: down")])
    up = ScriptedProvider(say("yes", usage=Usage(7, 3)))
    targets = [ModelTarget("one", "a", down), ModelTarget("two", "b", up)]
    assert await questions.ask(targets, QUESTION, asker(), timeout_s=5.0) == "yes"
    assert (len(down.requests), len(up.requests)) == (1, 1)
    assert await spent(database) == [Usage(7, 3)]


async def test_an_empty_answer_is_paid_as_well(questions: SideQuestions, database: Database):
    provider = ScriptedProvider([Usage(9, 0), Stop("stop")])
    assert await questions.ask([target(provider)], QUESTION, asker(), timeout_s=5.0) == ""
    assert await spent(database) == [Usage(9, 0)]


async def test_one_that_fails_gives_its_room_back(tmp_path: Path, database: Database):
    paid = charges(tmp_path, database, daily_tokens=60)
    questions = SideQuestions(paid, SystemClock())
    broken = target(ScriptedProvider([ProviderError(ProviderFault.AUTH, "HTTP 401: no")]))
    with pytest.raises(ProviderError, match="401"):
        await questions.ask([broken], QUESTION, asker(), timeout_s=5.0)
    works = target(ScriptedProvider(say("yes", usage=Usage(50, 10))))
    assert await questions.ask([works], QUESTION, asker(), timeout_s=5.0) == "yes"
    unasked = ScriptedProvider(say("no"))
    with pytest.raises(Refused, match="daily cap"):
        await questions.ask([target(unasked)], QUESTION, asker(), timeout_s=5.0)
    assert unasked.requests == []


async def test_a_late_one_is_ended(questions: SideQuestions):
    provider = ScriptedProvider([Hang()])
    with pytest.raises(TimeoutError):
        await questions.ask([target(provider)], QUESTION, asker(), timeout_s=0.05)
    assert provider.cancelled == 1
