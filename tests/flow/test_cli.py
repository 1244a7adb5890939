"""The command line against the real gateway and the scripted model server."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.cara import CARA, cara_env, run_cara
from support.gateway import (
    TOKEN,
    Started,
    ended,
    environment,
    gateway_with_model,
    model_server,
    restart,
    running_gateway,
    settings,
)
from support.ws import peer

pytestmark = pytest.mark.slow


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


async def cara(gateway: Started, *words: str, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Run one command against the gateway; its exit code and both outputs."""
    return await run_cara(cara_env(gateway), *words, stdin=stdin)


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


async def test_a_rotated_token_counts_at_once_and_ends_the_clients_of_the_old_one(tmp_path: Path):
    async with model_server(tmp_path) as model:
        config = settings(model.port)
        del config["gateway"]["auth"]
        async with running_gateway(tmp_path / "gateway", config) as gateway:
            old = (await cara(gateway, "token", "show"))[1].strip()
            async with peer(gateway.url, token=old) as client:
                code, out, err = await cara(gateway, "token", "rotate")
                assert code == 0, err
                await client.until(lambda: client.closed, "the end of the old token", 5)
            assert out.strip() != old
            assert (await cara(gateway, "status", "--token", old))[0] == 1
            assert (await cara(gateway, "status"))[0] == 0
            trail = "".join(
                path.read_text() for path in (gateway.state_dir / "audit").glob("*.jsonl")
            )
            assert "gateway credential changed" in trail
            assert out.strip() not in trail


@pytest.mark.parametrize(
    ("words", "extra", "wanted", "said"),
    [
        (("--port", "99999"), {}, 2, "--port"),
        (("--bind", "moon"), {}, 2, "--bind"),
        (("--bind", "custom"), {}, 78, "customBindHost"),
        ((), {"CARAPACE_GATEWAY_PORT": "99999"}, 78, "CARAPACE_GATEWAY_PORT"),
        (("--config", "/nowhere/carapace.json"), {}, 78, "/nowhere/carapace.json"),
        (("--state-dir", "/proc/nowhere"), {}, 78, "--state-dir"),
    ],
)
async def test_what_makes_no_sense_starts_nothing(
    tmp_path: Path, words: tuple[str, ...], extra: dict[str, str], wanted: int, said: str
):
    code, out, err = await run_cara(
        {**environment(tmp_path), **extra}, "up", "--json", "--no-model", *words
    )
    assert code == wanted, err
    assert said in err
    assert "Traceback" not in err
    assert out == ""


async def test_a_machine_that_is_a_client_of_another_starts_no_gateway(tmp_path: Path):
    path = tmp_path / "carapace.json"
    path.write_text('{"gateway": {"mode": "remote", "remote": {"url": "wss://box.example"}}}')
    code, _, err = await run_cara(
        environment(tmp_path), "up", "--json", "--no-model", "--config", str(path)
    )
    assert code == 78
    assert "wss://box.example" in err


async def test_a_second_gateway_is_refused_the_port_in_words(gateway: Started, tmp_path: Path):
    home = tmp_path / "second"
    home.mkdir()
    code, _, err = await run_cara(
        environment(home), "up", "--json", "--no-model", "--port", str(gateway.port)
    )
    assert code != 0
    assert str(gateway.port) in err
    assert "Traceback" not in err


async def test_a_broken_file_starts_loudly_and_is_mended_by_config_set(gateway: Started):
    await gateway.stop()
    path = gateway.home / "carapace.json"
    path.write_text(path.read_text().replace('"loopback"', '"moon"'))
    path.chmod(0o600)
    again = await restart(gateway)
    try:
        assert "gateway.bind" in str(again.ready["configIssue"])
        assert "gateway.bind" in again.log()
        code, out, _ = await cara(again, "status", "--json", "--url", again.url, "--token", TOKEN)
        assert (code, "gateway.bind" in json.loads(out)["health"]["configIssue"]) == (1, True)
        code, out, _ = await cara(again, "doctor", "--json")
        found = {row["name"]: row for row in json.loads(out)["findings"]}
        assert (code, found["config"]["state"]) == (1, "bad")
        code, _, err = await cara(again, "config", "set", "gateway.bind", "loopback")
        assert code == 0, err
        code, out, _ = await cara(again, "config", "validate", "--json")
        assert (code, json.loads(out)["valid"]) == (0, True)
    finally:
        await ended(again)


async def test_doctor_puts_the_last_good_file_back(gateway: Started):
    path = gateway.home / "carapace.json"
    good = path.read_text()
    path.write_text("{ this is nothing")
    path.chmod(0o600)
    code, out, _ = await cara(gateway, "doctor", "--json", "--fix", "--yes")
    found = {row["name"]: row for row in json.loads(out)["findings"]}
    assert "last good" in found["config"]["mended"], found
    assert path.read_text() == good
    assert (await cara(gateway, "doctor"))[0] == 0
    assert code in {0, 1}  # the gateway may not have been reached with a broken file


async def test_logs_are_followed_and_survive_a_restart(gateway: Started):
    process = await asyncio.create_subprocess_exec(
        CARA,
        "logs",
        "-f",
        "--json",
        stdout=asyncio.subprocess.PIPE,
        env=cara_env(gateway),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert b"gateway listens" in await process.stdout.readline()
            code, _, err = await cara(gateway, "config", "set", "logging.level", "debug")
            assert code == 0, err
            while b"configuration applied" not in await process.stdout.readline():
                pass
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    await gateway.stop()
    again = await restart(gateway)
    try:
        _, out, _ = await cara(again, "logs", "--json", "-n", "5000")
        assert out.count('"gateway listens"') == 2
    finally:
        await ended(again)


async def test_doctor_finds_and_mends_the_usual_breakages(gateway: Started):
    async def findings(*words: str) -> tuple[int, dict[str, dict[str, str]]]:
        code, out, err = await cara(gateway, "doctor", "--json", *words)
        assert out, err
        return code, {row["name"]: row for row in json.loads(out)["findings"]}

    (gateway.home / "carapace.json").chmod(0o600)
    code, found = await findings()
    assert code == 0, found
    assert {row["state"] for row in found.values()} == {"ok"}, found

    gateway.state_dir.chmod(0o755)
    code, found = await findings()
    assert (code, found["state folder"]["state"]) == (1, "bad")
    code, found = await findings("--fix", "--yes")
    assert (code, found["state folder"]["mended"]) == (0, "closed 1 to others")
    assert gateway.state_dir.stat().st_mode & 0o077 == 0

    code, found = await findings("--token", "wrong-token")
    assert (code, found["gateway"]["state"]) == (1, "bad")
    assert "cara token show" in found["gateway"]["next"]

    await gateway.stop()
    code, found = await findings()
    assert (code, found["gateway"]["text"]) == (0, "does not run")
    with socket.create_server(("127.0.0.1", gateway.port)):
        code, found = await findings()
    assert code == 1
    assert "its port is taken by process" in found["gateway"]["text"]

    trail = next((gateway.state_dir / "audit").glob("*.jsonl"))
    trail.write_bytes(trail.read_bytes().replace(b'"bind":"loopback"', b'"bind":"lan"', 1))
    database = gateway.state_dir / "carapace.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    code, found = await findings()
    assert code == 1
    assert (found["audit trail"]["state"], found["database"]["state"]) == ("bad", "bad")
    assert found["database"]["next"]


async def test_models_are_listed_and_chosen(gateway: Started, tmp_path: Path):
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF" + b"\0" * 100)
    code, out, err = await cara(gateway, "model", "list", "--json")
    assert code == 0, err
    assert not any(row["installed"] for row in json.loads(out)["models"])
    assert (await cara(gateway, "model", "pull", str(mine)))[0] == 0
    assert (await cara(gateway, "model", "use", "mine"))[0] == 0
    _, out, _ = await cara(gateway, "config", "get", "agents.defaults.model.primary")
    assert out.strip() == "embedded/mine"
