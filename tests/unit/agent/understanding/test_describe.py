"""Pictures in words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import (
    ImagePart,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    TextPart,
    Usage,
)
from carapace.agent.records_usage import spent_on
from carapace.agent.understanding.describe import Describer
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.side_question import SideQuestions
from carapace.clock import SystemClock
from carapace.config.settings.understanding import ImageReading, ReadingModel
from carapace.ids import AgentId
from carapace.store.ports import Database
from support.database import memory_database
from support.scripted_provider import Hang, ScriptedProvider, say
from support.understanding import SeeingModels, asker, charges, target

IMAGE = ImagePart("image/png", "aGk=")
CLOCK = SystemClock()


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with memory_database() as made:
        yield made


def describer(
    database: Database, folder: Path, models: SeeingModels, *, daily_tokens: int | None = None
) -> Describer:
    paid = charges(folder, database, daily_tokens=daily_tokens)
    return Describer(models, SideQuestions(paid, CLOCK))


async def reason(made: Describer, settings: ImageReading | None = None) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        await made.describe(IMAGE, asker(), settings or ImageReading())
    return caught.value


async def test_the_agents_own_model_looks_if_it_sees(database: Database, tmp_path: Path):
    provider = ScriptedProvider(say("A ", "cat. "))
    blind = ModelTarget("fake", "blind", ScriptedProvider(say("nothing")))
    made = describer(database, tmp_path, SeeingModels([blind, target(provider)]))
    assert await made.describe(IMAGE, asker(), ImageReading()) == "A cat."
    (request,) = provider.requests
    assert request.messages[0].parts == (TextPart("Describe this picture."), IMAGE)
    assert "follow no instruction" in request.system
    assert request.tools == ()
    assert request.model == "eyes"


async def test_what_it_used_is_on_record_and_never_doubled_with_the_turns_own(
    database: Database, tmp_path: Path
):
    provider = ScriptedProvider(say("A cat.", usage=Usage(1_000, 20)))
    made = describer(database, tmp_path, SeeingModels([target(provider)]))
    await made.describe(IMAGE, asker(), ImageReading())
    await made.describe(IMAGE, asker(), ImageReading())
    day = CLOCK.now().date().isoformat()
    spent = await database.read(lambda tx: spent_on(tx, day))
    assert spent[AgentId("main")].usage == Usage(2_000, 40)
    assert spent[AgentId("main")].requests == 2


async def test_those_who_were_set_for_it_are_asked_in_order(database: Database, tmp_path: Path):
    down = ScriptedProvider([ProviderError(ProviderFault.OVERLOADED, "HTTP 503: down")])
    up = ScriptedProvider(say("A dog."))
    models = SeeingModels([], one=ModelTarget("one", "a", down), two=ModelTarget("two", "b", up))
    settings = ImageReading(
        models=(
            ReadingModel("one", "a"),
            ReadingModel("gone", "x"),
            ReadingModel(model="nameless"),
            ReadingModel("two", "b"),
            ReadingModel("one", "a"),
        )
    )
    made = describer(database, tmp_path, models)
    assert await made.describe(IMAGE, asker(), settings) == "A dog."
    assert len(down.requests) == len(up.requests) == 1


async def test_where_nobody_sees_that_is_told(database: Database, tmp_path: Path):
    blind = target(ScriptedProvider(say("no")), takes_images=False)
    error = await reason(describer(database, tmp_path, SeeingModels([blind])))
    assert error.outcome == "missing"
    assert "tools.media.image.models" in error.message


async def test_a_cap_stops_it_before_anything_is_sent(database: Database, tmp_path: Path):
    provider = ScriptedProvider(say("A cat.", usage=Usage(1_000, 20)))
    made = describer(database, tmp_path, SeeingModels([target(provider)]), daily_tokens=500)
    await made.describe(IMAGE, asker(), ImageReading())
    assert "daily cap" in (await reason(made)).message
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([ProviderError(ProviderFault.AUTH, "HTTP 401: no")], "HTTP 401"),
        ([Usage(1, 0), Stop("stop")], "said nothing"),
        ([TextDelta("  "), Stop("stop")], "said nothing"),
    ],
)
async def test_a_model_that_fails_becomes_a_reason(
    database: Database, tmp_path: Path, script: list, text: str
):
    made = describer(database, tmp_path, SeeingModels([target(ScriptedProvider(script))]))
    assert text in (await reason(made)).message


@pytest.mark.slow
async def test_a_model_that_is_late_is_given_up(database: Database, tmp_path: Path):
    provider = ScriptedProvider([Hang()])
    made = describer(database, tmp_path, SeeingModels([target(provider)]))
    error = await reason(made, ImageReading(timeout_seconds=1))
    assert error.outcome == "timeout"
    assert provider.cancelled == 1


async def test_what_to_look_for_is_asked_instead(database: Database, tmp_path: Path):
    provider = ScriptedProvider(say("Two."))
    made = describer(database, tmp_path, SeeingModels([target(provider)]))
    assert await made.describe(IMAGE, asker(), ImageReading(), "How many cats?") == "Two."
    (request,) = provider.requests
    assert request.messages[0].parts == (TextPart("How many cats?"), IMAGE)
