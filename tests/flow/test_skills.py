"""Skills, usage and speech in the real process: a guide is really read, a voice really speaks."""

from __future__ import annotations

import io
import json
import shutil
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from carapace.config.merge_patch import merge_patch
from support.counting_peer import counting_peer
from support.gateway import Started, model_server, running_gateway, settings
from support.polling import until
from support.script_people import Person, webhook_settings
from support.skills import make_program, write_skill
from support.ws import peer, talk

pytestmark = pytest.mark.slow
MAIN = "agent:main:main"


class Needs(msgspec.Struct):
    """As the macOS app decodes it: a missing field loses the whole answer."""

    bins: list[str]
    env: list[str]
    config: list[str]


class Option(msgspec.Struct):
    id: str
    kind: str
    label: str
    bins: list[str]


class Check(msgspec.Struct):
    path: str
    satisfied: bool


class Row(msgspec.Struct, rename="camel"):
    name: str
    description: str
    source: str
    file_path: str
    base_dir: str
    skill_key: str
    always: bool
    disabled: bool
    eligible: bool
    requirements: Needs
    missing: Needs
    config_checks: list[Check]
    install: list[Option]


class Report(msgspec.Struct, rename="camel"):
    workspace_dir: str
    managed_skills_dir: str
    skills: list[Row]


class Totals(msgspec.Struct, rename="camel"):
    input: int
    output: int
    cache_read: int
    cache_write: int
    total_tokens: int
    total_cost: float
    missing_cost_entries: int


class Cost(msgspec.Struct, rename="camel"):
    updated_at: int
    days: int
    daily: list[Totals]
    totals: Totals


@asynccontextmanager
async def gateway(folder: Path, **extra: Any) -> AsyncGenerator[tuple[Started, Started]]:
    async with model_server(folder) as model:
        config = merge_patch(settings(model.port), extra)
        async with running_gateway(folder / "gateway", config) as started:
            yield started, model


async def call(connection: Any, method: str, params: Any = None, *, ok: bool = True) -> Any:
    answer = await connection.call(f"{method}-{id(params)}", method, params or {})
    assert answer["ok"] is ok, answer
    return answer["payload"] if ok else answer


async def asked(model: Started) -> list[dict[str, Any]]:
    """What the model was sent, oldest first."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{model.http}/_fake/requests") as answer,
    ):
        return await answer.json()


async def test_a_skill_is_listed_in_the_prompt_and_read_by_the_agent(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (started, model), peer(started.url, device="admin") as client:
        # Put there while it runs: the next turn knows it.
        block = {"emoji": "🦀", "requires": {"bins": ["no-such-program"]}}
        write_skill(started.state_dir / "skills", "lobster", block)
        write_skill(started.state_dir / "workspace" / "skills", "crab", body="Walk sideways.")
        report = msgspec.convert(await call(client, "skills.status"), Report)
        found = [(one.name, one.source, one.eligible) for one in report.skills]
        assert found == [
            ("crab", "openclaw-workspace", True),
            ("lobster", "openclaw-managed", False),
        ]
        ask = '[[tool:read_skill {"name": "crab"}]]'
        ended = await talk(client, MAIN, ask, "run-1")
        assert "Walk sideways." in json.dumps(ended)
        (first, *_) = await asked(model)
        system = json.dumps(first["body"]["messages"][0])
        assert "- crab: Does crab." in system
        assert "lobster" not in system
        # Switched off, it is neither listed nor read.
        told = await call(client, "skills.update", {"skillKey": "crab", "enabled": False})
        assert told["config"] == {"enabled": False}
        await talk(client, MAIN, "hello", "run-2")
        system = json.dumps((await asked(model))[-1]["body"]["messages"][0])
        assert "crab" not in system


async def test_a_key_is_in_no_file_in_clear_and_makes_its_skill_eligible(tmp_path: Path) -> None:
    key = "planted-key-of-a-skill-0123456789"
    async with gateway(tmp_path) as (started, _), peer(started.url, device="admin") as client:
        block = {"primaryEnv": "CRAB_KEY", "requires": {"env": ["CRAB_KEY"]}}
        write_skill(started.state_dir / "skills", "crab", block)
        told = await call(client, "skills.update", {"skillKey": "crab", "apiKey": key})
        assert key not in json.dumps(told)
        report = msgspec.convert(await call(client, "skills.status"), Report)
        assert report.skills[0].eligible
        assert key not in json.dumps(await call(client, "config.get"))
    for path in started.home.rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


async def test_an_install_runs_only_where_the_operator_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bins = tmp_path / "bin"
    make_program(bins, "uv", f'echo "$@" > {tmp_path}/ran; cp "$0" {bins}/crab')
    monkeypatch.setenv("PATH", f"{bins}:/usr/bin:/bin")
    option = {"id": "uv", "kind": "uv", "package": "crab-cli", "bins": ["crab"]}
    wanted = {"name": "crab", "installId": "uv"}
    for enabled in (False, True):
        extra = {"skills": {"install": {"enabled": enabled}}}
        folder = tmp_path / str(enabled)
        async with (
            gateway(folder, **extra) as (started, _),
            peer(started.url, device="admin") as client,
        ):
            block = {"requires": {"bins": ["crab"]}, "install": [option]}
            write_skill(started.state_dir / "skills", "crab", block)
            answer = await call(client, "skills.install", wanted, ok=enabled)
            if not enabled:
                assert "uv tool install crab-cli" in answer["error"]["message"]
                assert answer["payload"]["ok"] is False
                assert not (tmp_path / "ran").exists()
                continue
            assert (answer["ok"], answer["code"]) == (True, 0)
            assert (tmp_path / "ran").read_text() == "tool install crab-cli\n"
            report = msgspec.convert(await call(client, "skills.status"), Report)
            assert report.skills[0].eligible


async def test_what_was_used_is_summed_in_whole_numbers(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (started, _), peer(started.url, device="admin") as client:
        await talk(client, MAIN, "hello", "run-1")
        raw = json.dumps(await call(client, "usage.cost", {"days": 3}))
        cost = msgspec.json.decode(raw, type=Cost)
        assert cost.days == 3
        assert len(cost.daily) == 1
        assert cost.totals.total_tokens > 0
        assert cost.totals.missing_cost_entries == 0
        assert (await call(client, "usage.status"))["providers"] == []


@pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed: speech is not proved"
)
async def test_espeak_speaks_into_the_media_store(tmp_path: Path) -> None:
    async with gateway(tmp_path) as (started, _), peer(started.url, device="admin") as client:
        status = await call(client, "tts.status")
        assert status["provider"] == "espeak-ng"
        told = await call(client, "tts.convert", {"text": "Good morning."})
        assert (told["provider"], told["outputFormat"]) == ("espeak-ng", "wav")
        data = Path(told["audioPath"]).read_bytes()
        with wave.open(io.BytesIO(data)) as sound:
            assert sound.getnframes() > sound.getframerate() // 4
        refused = await call(client, "tts.setProvider", {"provider": "edge"}, ok=False)
        assert "not offered" in refused["error"]["message"]


@pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed: speech is not proved"
)
async def test_an_answer_on_a_chat_service_is_followed_by_its_recording(tmp_path: Path) -> None:
    with counting_peer() as receiver:
        extra = {
            "channels": {"webhook": webhook_settings(receiver.url)},
            "messages": {"tts": {"auto": "always", "provider": "espeak-ng"}},
        }
        async with gateway(tmp_path, **extra) as (started, _), aiohttp.ClientSession() as client:
            url = f"{started.http}/channels/webhook/default"
            await Person("ann").write(client, url, "[[say:**Good** morning.]]")
            await until(lambda: len(receiver.arrivals) >= 2, deadline_s=30)
        answer, recording = (one.body for one in receiver.arrivals[:2])
        assert "Good" in answer["text"]
        assert not answer.get("media")
        (file,) = recording["media"]
        kept = started.state_dir / "media" / file["id"][2:4] / file["id"]
        with wave.open(io.BytesIO(kept.read_bytes())) as sound:
            assert sound.getnframes() > sound.getframerate() // 4
