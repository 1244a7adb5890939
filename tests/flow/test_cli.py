"""The command line against the real gateway and the scripted model server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateway import (
    TOKEN,
    Started,
    environment,
    model_server,
    running_gateway,
    settings,
)

pytestmark = pytest.mark.slow


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as started,
    ):
        yield started


async def cara(gateway: Started, *words: str, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Run one command against the gateway; its exit code and both outputs."""
    env = {
        **environment(gateway.home),
        "CARAPACE_CONFIG_PATH": str(gateway.home / "carapace.json"),
        "CARAPACE_STATE_DIR": str(gateway.state_dir),
        "CARAPACE_GATEWAY_PORT": str(gateway.port),
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "cara"),
        *words,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_question_is_answered_and_shows_in_sessions(gateway: Started):
    code, out, err = await cara(gateway, "chat", "hello", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert answer["state"] == "final"
    assert answer["text"]
    code, out, _ = await cara(gateway, "sessions", "list", "--json")
    assert code == 0
    assert [row["key"] for row in json.loads(out)["sessions"]] == ["agent:main:main"]
    code, out, _ = await cara(gateway, "sessions", "show", "agent:main:main")
    assert code == 0
    assert "hello" in out
    code, _, err = await cara(gateway, "chat", stdin=b"from a pipe")
    assert code == 0, err


async def test_status_logs_token_and_doctor_see_the_running_gateway(gateway: Started):
    code, out, err = await cara(gateway, "status", "--json")
    assert code == 0, err
    assert json.loads(out)["health"]["ok"]
    code, out, err = await cara(gateway, "logs", "--json")
    assert code == 0, err
    assert all(json.loads(line)["event"] for line in out.splitlines())
    assert (await cara(gateway, "token", "show"))[1].strip() == TOKEN
    code, out, err = await cara(gateway, "doctor", "--json")
    found = {row["name"]: row for row in json.loads(out)["findings"]}
    assert found["gateway"]["state"] == "ok", found
    assert found["audit trail"]["state"] == "ok"
    assert found["database"]["text"] != "not made yet"


async def test_a_wrong_token_is_refused_in_plain_words(gateway: Started):
    code, _, err = await cara(gateway, "status", "--token", "wrong-token")
    assert code == 1
    assert "unauthorized" in err


async def test_the_reset_conversation_is_deleted(gateway: Started):
    assert (await cara(gateway, "chat", "hello", "--session", "scratch"))[0] == 0
    code, out, err = await cara(
        gateway, "sessions", "delete", "agent:main:scratch", "--yes", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["deleted"]
