"""Who listens, and what they say when they cannot."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp import web

from carapace.agent.pricing import Price
from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.ports import Usage
from carapace.agent.providers.spec import Api, ModelSpec, ProviderSpec
from carapace.agent.records_usage import DayTotal, day_totals
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import NotUnderstood, Transcript
from carapace.agent.understanding.transcribe import (
    DEFAULT_MODEL,
    Heard,
    LocalTranscriber,
    OpenAiTranscriber,
    Transcribers,
)
from carapace.clock import SystemClock
from carapace.config.settings.understanding import AudioReading, ReadingModel
from carapace.store.ports import Database
from support.database import memory_database
from support.egress import make_egress, serving
from support.providers import KEY, plain_client
from support.transcriptions import FakeTranscriptions, transcriptions
from support.understanding import asker, charges

SOUND = b"OggS and so on"
SETTINGS = AudioReading()


def spec(url: str | None, name: str = "openai", **fields: object) -> ProviderSpec:
    values: dict[str, object] = {"api": Api.OPENAI_COMPLETIONS, "api_key": KEY, **fields}
    return ProviderSpec(name=name, base_url=url, **values)  # type: ignore[arg-type]  # by name


def openai(made: ProviderSpec, model: str = "m-1") -> OpenAiTranscriber:
    return OpenAiTranscriber(made, model, http_client=plain_client, clock=SystemClock())


def child(text: str) -> ChildReader:
    return ChildReader((sys.executable, "-S", "-c", f"print('{text}')"))


HEARS = '{"type":"reading","text":"heard here"}'
DEAF = '{"type":"unreadable","reason":"needs an engine","is_missing":true}'


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with memory_database() as made:
        yield made


@pytest.fixture
def paid(tmp_path: Path, database: Database) -> Charges:
    return charges(tmp_path, database)


def chooser(paid: Charges, *sources: ProviderSpec, here: str = HEARS) -> Transcribers:
    return Transcribers(
        lambda: sources,
        http_client=plain_client,
        child=child(here),
        clock=SystemClock(),
        charges=paid,
    )


async def refused(one: OpenAiTranscriber, timeout_s: float = 5.0) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        await one.transcribe(SOUND, "audio/ogg", language=None, timeout_s=timeout_s)
    return caught.value


async def test_a_recording_goes_out_with_key_and_model_and_without_its_senders_name():
    async with transcriptions() as server:
        told = await openai(spec(server.url)).transcribe(
            SOUND, "audio/ogg", language="de", timeout_s=5.0
        )
        assert told == Transcript(server.text)
        (asked,) = server.asked
        assert (asked.model, asked.filename, asked.language) == ("m-1", "recording.ogg", "de")
        assert asked.data == SOUND
        assert asked.authorization == f"Bearer {KEY}"


async def test_a_server_without_a_key_gets_none_and_headers_are_sent():
    async with transcriptions() as server:
        made = spec(server.url, api_key=None, headers={"authorization": "Basic own"})
        await openai(made).transcribe(SOUND, "audio/wav", language=None, timeout_s=5.0)
        assert server.asked[0].authorization == "Basic own"
        assert server.asked[0].language is None


async def test_the_guarded_client_reaches_the_configured_server_alone(tmp_path: Path):
    egress, trail = make_egress(tmp_path)
    async with transcriptions() as server:
        one = OpenAiTranscriber(
            spec(server.url), "m", http_client=provider_clients(egress), clock=SystemClock()
        )
        told = await one.transcribe(SOUND, "audio/mpeg", language=None, timeout_s=5.0)
        assert told.text == server.text
        closed = OpenAiTranscriber(
            spec(server.url, allow_private=False),
            "m",
            http_client=provider_clients(egress),
            clock=SystemClock(),
        )
        with pytest.raises(NotUnderstood, match="was not heard"):
            await closed.transcribe(SOUND, "audio/mpeg", language=None, timeout_s=5.0)
        assert len(server.asked) == 1
        assert trail.lines()[-1]["caller"] == "models.openai"


async def test_an_unknown_format_is_not_sent():
    async with transcriptions() as server:
        with pytest.raises(NotUnderstood, match="format"):
            await openai(spec(server.url)).transcribe(
                b"#!AMR", "audio/amr", language=None, timeout_s=5.0
            )
        assert server.asked == []


@pytest.mark.parametrize(
    ("status", "raw", "text"),
    [
        (401, None, "was not heard"),
        (429, None, "was not heard"),
        (500, None, "was not heard"),
        (200, b"{}", "without a transcript"),
        (200, b"not json", "without a transcript"),
        (200, b'{"text": 5}', "without a transcript"),
        (200, b'{"text": "\xff"}', "without a transcript"),
    ],
)
async def test_a_refusal_or_nonsense_becomes_a_reason(status: int, raw: bytes | None, text: str):
    async with transcriptions() as server:
        server.status, server.raw = status, raw
        server.headers = {"retry-after": "3"}
        error = await refused(openai(spec(server.url)))
        assert text in error.message
        assert KEY not in error.message


async def test_a_server_that_is_not_there_or_late_becomes_a_reason():
    error = await refused(openai(spec("http://127.0.0.1:9/v1")))
    assert "127.0.0.1:9" in error.message
    gate = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response()

    async with serving(web.post("/v1/audio/transcriptions", hang)) as port:
        error = await refused(openai(spec(f"http://127.0.0.1:{port}/v1")), timeout_s=0.05)
        gate.set()
    assert error.outcome == "timeout"


async def test_the_engine_here_is_asked_in_a_child():
    told = await LocalTranscriber(child(HEARS), None).transcribe(
        SOUND, "audio/ogg", language=None, timeout_s=10.0
    )
    assert told == Transcript("heard here")


async def test_without_a_choice_the_speech_model_here_comes_first(paid: Charges):
    async with transcriptions() as server:
        there = Path("there")
        for settings, found in ((SETTINGS, there), (AudioReading(local_model="mine"), None)):
            one = Transcribers(
                lambda: (spec(server.url),),
                http_client=plain_client,
                child=child(HEARS),
                clock=SystemClock(),
                charges=paid,
                speech_dir=lambda found=found: found,
            )
            assert await one.transcribe(SOUND, "audio/ogg", settings, asker()) == Heard(
                "heard here", is_rough=False
            )
        assert server.asked == []


async def test_without_a_speech_model_openai_comes_before_the_small_engine(paid: Charges):
    async with transcriptions() as server:
        one = chooser(paid, spec(server.url))
        assert await one.transcribe(SOUND, "audio/ogg", SETTINGS, asker()) == Heard(
            server.text, is_rough=False
        )
        assert server.asked[0].model == DEFAULT_MODEL
        server.status = 500
        assert await one.transcribe(SOUND, "audio/ogg", SETTINGS, asker()) == Heard(
            "heard here", is_rough=True
        )


async def test_without_anybody_the_first_reason_is_told(paid: Charges):
    with pytest.raises(NotUnderstood, match="needs an engine") as caught:
        await chooser(paid, here=DEAF).transcribe(SOUND, "audio/ogg", SETTINGS, asker())
    assert caught.value.outcome == "missing"
    no_key = spec("http://127.0.0.1:9/v1", api_key=None)
    assert len(chooser(paid, no_key).chosen(SETTINGS)) == 1


async def test_a_choice_is_kept_to_and_the_next_one_asked_if_one_fails(paid: Charges):
    async with transcriptions() as first, transcriptions() as second:
        first.status = 500
        sources = (spec(first.url, "one"), spec(second.url, "two"), spec(None, "openai"))
        settings = AudioReading(
            models=(ReadingModel("one", "a"), ReadingModel("gone"), ReadingModel("two", "b"))
        )
        told = await chooser(paid, *sources).transcribe(SOUND, "audio/ogg", settings, asker())
        assert told == Heard(second.text, is_rough=False)
        assert [first.asked[0].model, second.asked[0].model] == ["a", "b"]


async def test_a_choice_that_nobody_fits_is_told(paid: Charges):
    anthropic = spec(None, "anthropic", api=Api.ANTHROPIC_MESSAGES)
    settings = AudioReading(models=(ReadingModel("anthropic", "x"), ReadingModel()))
    with pytest.raises(NotUnderstood, match="OpenAI's format"):
        await chooser(paid, anthropic).transcribe(SOUND, "audio/ogg", settings, asker())


TOKENS = b'{"text":"hi","usage":{"type":"tokens","input_tokens":300,"output_tokens":20}}'


async def used(database: Database) -> DayTotal | None:
    """All that is on record, of whatever day."""
    return next(iter(await database.read(lambda tx: day_totals(tx, "2000-01-01"))), None)


async def test_what_a_vendor_heard_is_charged_at_the_price_that_is_set(
    paid: Charges, database: Database
):
    async with transcriptions() as server:
        server.raw = TOKENS
        priced = ModelSpec(DEFAULT_MODEL, "Ears", price=Price(input=3.0, output=5.0))
        await chooser(paid, spec(server.url, models=(priced,))).transcribe(
            SOUND, "audio/ogg", SETTINGS, asker()
        )
    total = await used(database)
    assert total is not None
    assert (total.usage, total.cost_nano_usd, total.requests) == (Usage(300, 20), 1_000_000, 1)


@pytest.mark.parametrize(
    "usage",
    [
        b'{"type":"duration","seconds":9}',
        b'{"input_tokens":-5}',
        b'{"input_tokens":"many"}',
        b'{"type":"\xff"}',
        b"null",
    ],
)
async def test_without_a_count_of_tokens_a_request_is_counted_all_the_same(
    paid: Charges, database: Database, usage: bytes
):
    async with transcriptions() as server:
        server.raw = b'{"text":"hi","usage":' + usage + b"}"
        told = await chooser(paid, spec(server.url)).transcribe(
            SOUND, "audio/ogg", SETTINGS, asker()
        )
    assert told.text == "hi"
    total = await used(database)
    assert total is not None
    assert (total.usage, total.cost_nano_usd, total.requests) == (Usage(), 0, 1)


async def test_what_was_heard_here_or_not_at_all_costs_nothing(paid: Charges, database: Database):
    await chooser(paid).transcribe(SOUND, "audio/ogg", SETTINGS, asker())
    async with transcriptions() as server:
        server.status = 500
        await chooser(paid, spec(server.url)).transcribe(SOUND, "audio/ogg", SETTINGS, asker())
    assert await used(database) is None


async def test_a_cap_that_is_used_up_sends_no_recording_out(tmp_path: Path, database: Database):
    paid = charges(tmp_path, database, daily_tokens=300)
    settings = AudioReading(models=(ReadingModel("openai"),))
    async with transcriptions() as server:
        server.raw = TOKENS
        one = chooser(paid, spec(server.url))
        await one.transcribe(SOUND, "audio/ogg", settings, asker())
        with pytest.raises(NotUnderstood, match="daily cap") as caught:
            await one.transcribe(SOUND, "audio/ogg", settings, asker())
        assert caught.value.outcome == "refused"
        # The engine here costs nothing, so without a choice it is asked instead.
        told = await one.transcribe(SOUND, "audio/ogg", SETTINGS, asker())
        assert told == Heard("heard here", is_rough=True)
        assert len(server.asked) == 1


async def test_the_fake_refuses_what_the_real_server_refuses():
    async with transcriptions() as server:
        client = plain_client(spec(server.url))
        url = f"{server.url}/audio/transcriptions"
        async with client:
            bare = await client.post(url, data={"model": "m"})
            odd = await client.post(
                url, data={"model": "m"}, files={"file": ("x.exe", b"x", "audio/ogg")}
            )
            verbose = await client.post(
                url,
                data={"model": "m", "response_format": "srt"},
                files={"file": ("x.ogg", b"x", "audio/ogg")},
            )
        assert [bare.status_code, odd.status_code, verbose.status_code] == [400, 400, 400]
        assert isinstance(server, FakeTranscriptions)
        assert server.asked == []
