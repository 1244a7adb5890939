"""Who listens, and what they say when they cannot."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from aiohttp import web

from carapace.agent.providers.egress import provider_clients
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.transcribe import (
    DEFAULT_MODEL,
    Heard,
    LocalTranscriber,
    OpenAiTranscriber,
    Transcribers,
)
from carapace.clock import SystemClock
from carapace.config.settings.understanding import AudioReading, ReadingModel
from support.egress import make_egress, serving
from support.providers import KEY, plain_client
from support.transcriptions import FakeTranscriptions, transcriptions

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


def chooser(*sources: ProviderSpec, here: str = HEARS) -> Transcribers:
    return Transcribers(
        lambda: sources, http_client=plain_client, child=child(here), clock=SystemClock()
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
        assert told == server.text
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
        assert await one.transcribe(SOUND, "audio/mpeg", language=None, timeout_s=5.0)
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
    assert told == "heard here"


async def test_without_a_choice_the_speech_model_here_comes_first():
    async with transcriptions() as server:
        there = Path("there")
        for settings, found in ((SETTINGS, there), (AudioReading(local_model="mine"), None)):
            one = Transcribers(
                lambda: (spec(server.url),),
                http_client=plain_client,
                child=child(HEARS),
                clock=SystemClock(),
                speech_dir=lambda found=found: found,
            )
            assert await one.transcribe(SOUND, "audio/ogg", settings) == Heard(
                "heard here", is_rough=False
            )
        assert server.asked == []


async def test_without_a_speech_model_openai_comes_before_the_small_engine():
    async with transcriptions() as server:
        one = chooser(spec(server.url))
        assert await one.transcribe(SOUND, "audio/ogg", SETTINGS) == Heard(
            server.text, is_rough=False
        )
        assert server.asked[0].model == DEFAULT_MODEL
        server.status = 500
        assert await one.transcribe(SOUND, "audio/ogg", SETTINGS) == Heard(
            "heard here", is_rough=True
        )


async def test_without_anybody_the_first_reason_is_told():
    with pytest.raises(NotUnderstood, match="needs an engine") as caught:
        await chooser(here=DEAF).transcribe(SOUND, "audio/ogg", SETTINGS)
    assert caught.value.outcome == "missing"
    no_key = spec("http://127.0.0.1:9/v1", api_key=None)
    assert len(chooser(no_key).chosen(SETTINGS)) == 1


async def test_a_choice_is_kept_to_and_the_next_one_asked_if_one_fails():
    async with transcriptions() as first, transcriptions() as second:
        first.status = 500
        sources = (spec(first.url, "one"), spec(second.url, "two"), spec(None, "openai"))
        settings = AudioReading(
            models=(ReadingModel("one", "a"), ReadingModel("gone"), ReadingModel("two", "b"))
        )
        told = await chooser(*sources).transcribe(SOUND, "audio/ogg", settings)
        assert told == Heard(second.text, is_rough=False)
        assert [first.asked[0].model, second.asked[0].model] == ["a", "b"]


async def test_a_choice_that_nobody_fits_is_told():
    anthropic = spec(None, "anthropic", api=Api.ANTHROPIC_MESSAGES)
    settings = AudioReading(models=(ReadingModel("anthropic", "x"), ReadingModel()))
    with pytest.raises(NotUnderstood, match="OpenAI's format"):
        await chooser(anthropic).transcribe(SOUND, "audio/ogg", settings)


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
