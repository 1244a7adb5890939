"""From a machine where nothing is configured to a streamed answer of the embedded model."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from support.gateway import environment, free_port
from support.local_models import smallest_model
from support.terminal import terminal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.timeout(300),  # a busy machine generates slowly
    pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows"),
]

CARA = str(Path(sys.executable).parent / "cara")
ANSWER_DEADLINE_S = 90.0


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A home with nothing in it but the weights, and an index that nobody answers for."""
    pytest.importorskip("xllamacpp")
    weights = smallest_model()
    if weights is None:
        pytest.skip("no weights: set CARAPACE_TEST_MODELS or run cara model pull small")
    models = tmp_path / ".carapace" / "models"
    models.mkdir(parents=True)
    models.parent.chmod(0o700)
    (models / weights.name).symlink_to(weights)
    return {
        **environment(tmp_path),
        "CARAPACE_GATEWAY_PORT": str(free_port()),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
    }


async def test_a_gateway_without_settings_answers_with_the_embedded_model(
    tmp_path: Path, env: dict[str, str]
):
    gateway = await asyncio.create_subprocess_exec(
        CARA, "up", "--json", env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert gateway.stdout is not None
    try:
        async with asyncio.timeout(60):
            ready = json.loads(await gateway.stdout.readline())
        assert (ready["event"], ready["tokenSource"]) == ("ready", "vault")
        asking = await asyncio.create_subprocess_exec(
            CARA, "chat", "Say hello", env=env, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            out, _ = await asking.communicate()
        assert asking.returncode == 0
        assert out.strip()
    finally:
        gateway.terminate()
        async with asyncio.timeout(20):
            assert await gateway.wait() == 0


async def test_the_chat_that_comes_with_it_streams_an_answer(tmp_path: Path, env: dict[str, str]):
    with terminal([CARA, "up"], env, tmp_path) as screen:
        greeting = await screen.shows("you> ")
        assert "Fetching" not in greeting
        screen.type("Say hello")
        await screen.shows("Say hello\n")
        answer = await screen.shows("\nyou> ", deadline_s=ANSWER_DEADLINE_S)
        assert answer.removesuffix("you> ").strip()
        assert "error" not in answer
        screen.type("/quit")
        assert await screen.ends() == 0
