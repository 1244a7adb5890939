"""The first steps against the real process: what was answered is used, now and after a restart."""

# ruff: noqa: ASYNC110 - polls another process, with a deadline around it
from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from carapace.app.provider_keys import ProviderKeys
from carapace.credentials.opening import open_vault
from carapace_tools.golden.connection import Connection
from support.gateway import Started, ended, model_server, restart, running_gateway, settings
from support.ws import peer, talk

pytestmark = pytest.mark.slow
KEY = "key-given-in-the-setup"


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[Started]:
    async with model_server(tmp_path) as started:
        yield started


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    """Without any source of models."""
    config = settings(1) | {"models": {"embedded": {"enabled": False}}, "agents": {}}
    async with running_gateway(tmp_path / "gateway", config) as started:
        yield started


async def ask(admin: Connection, method: str, **params: Any) -> dict[str, Any]:
    answer = await admin.call(f"{method}-{len(admin.frames)}", method, params)
    assert answer["ok"], answer
    payload: dict[str, Any] = answer["payload"]
    return payload


async def walk(admin: Connection, *values: Any) -> dict[str, Any]:
    """Answer the questions in order; what came last."""
    found = await ask(admin, "wizard.start", mode="local")
    session = found["sessionId"]
    for value in values:
        answer = {"stepId": found["step"]["id"], "value": value}
        found = await ask(admin, "wizard.next", sessionId=session, answer=answer)
    return found


async def test_a_model_that_was_set_up_answers_at_once_and_after_a_restart(gateway, model):
    url = f"http://127.0.0.1:{model.port}/v1"
    answers = (None, None, "server", url, KEY, "fake-1", "none", "hand", None, True, None)
    async with peer(gateway.url, device="admin") as admin:
        assert (await walk(admin, *answers))["status"] == "done"
        said = await talk(admin, "main", "hello", "one")
        assert said["state"] == "final"
        with_secret = [path for path in gateway.home.rglob("*") if KEY in _text(path)]
        assert with_secret == []
    assert await gateway.stop() == 0
    again = await restart(gateway)
    try:
        async with peer(again.url, device="admin") as admin:
            assert (await talk(admin, "main", "hello", "two"))["state"] == "final"
    finally:
        await ended(again)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


async def test_a_restart_between_two_answers_forgets_them(gateway):
    async with peer(gateway.url, device="admin") as admin:
        found = await walk(admin, None, None)
        assert found["step"]["type"] == "select"
        before = (gateway.home / "carapace.json").read_text()
        gateway.process.send_signal(signal.SIGUSR1)
        await admin.until(lambda: admin.closed, "the restart")
    assert (gateway.home / "carapace.json").read_text() == before


async def test_a_key_that_another_process_kept_is_taken_up(gateway):
    """`cara setup` where the gateway could not be reached, and the gateway all the same runs."""
    async with peer(gateway.url, device="admin") as admin:
        assert (await ask(admin, "models.list"))["models"] == []
        vault = await open_vault(gateway.state_dir, gateway.env)
        await ProviderKeys(vault).put("openai", None, KEY)
        async with asyncio.timeout(15):
            while not (await ask(admin, "models.list"))["models"]:
                await asyncio.sleep(0.1)  # polls another process, with the deadline above
        assert {one["provider"] for one in (await ask(admin, "models.list"))["models"]} == {
            "openai"
        }
