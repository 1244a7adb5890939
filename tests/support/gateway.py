"""The real gateway as a process, and the scripted model server beside it, for flow tests.

async with model_server() as model, running_gateway(tmp_path, model=model) as gateway:
    ...
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "flow-test-token-0123456789"
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0
_FIRST_PORT, _PORTS = 12_000, 20_000


@dataclass
class Started:
    """A child process with its port."""

    process: asyncio.subprocess.Process
    port: int
    home: Path
    ready: dict[str, Any]
    command: tuple[str, ...]
    env: dict[str, str]

    @property
    def url(self) -> str:
        """WebSocket address."""
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def http(self) -> str:
        """HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state_dir(self) -> Path:
        """The state folder of a gateway."""
        return self.home / "state"

    def kill(self) -> None:
        """`kill -9`."""
        if self.process.returncode is None:
            self.process.kill()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_DEADLINE_S):
            return await self.process.wait()

    def log(self) -> str:
        """What it wrote to stderr."""
        return (self.home / "stderr.log").read_text("utf-8", errors="replace")


async def _start(command: tuple[str, ...], env: dict[str, str], home: Path, wanted: str) -> Started:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "stderr.log").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=env,
            cwd=home,
        )
    assert process.stdout is not None
    async with asyncio.timeout(START_DEADLINE_S):
        line = await process.stdout.readline()
    if not line.strip():
        await process.wait()
        text = (home / "stderr.log").read_text("utf-8", errors="replace")[-4000:]
        raise RuntimeError(f"{command} said nothing: {text}")
    ready: dict[str, Any] = json.loads(line)
    assert ready[wanted] == "ready", ready
    return Started(process, int(ready["port"]), home, ready, command, env)


async def _end(started: Started) -> None:
    if started.process.returncode is None:
        started.process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await started.process.wait()
        except TimeoutError:
            started.kill()
            await started.process.wait()
    transport: Any = getattr(started.process, "_transport", None)
    if transport is not None:
        transport.close()


@asynccontextmanager
async def model_server(home: Path) -> AsyncGenerator[Started]:
    """`tests/support/fake_llm.py` on a free port."""
    command = (sys.executable, "-m", "support.fake_llm", "--port", "0")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    started = await _start(command, env, home / "model", "event")
    try:
        yield started
    finally:
        await _end(started)


def provider(model_port: int, **model: Any) -> dict[str, Any]:
    """Settings of an OpenAI-compatible provider that is the scripted server."""
    fields: dict[str, Any] = {
        "id": "fake-1",
        "name": "Fake One",
        "reasoning": False,
        "input": ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": 128000,
        "maxTokens": 8192,
    }
    return {
        "baseUrl": f"http://127.0.0.1:{model_port}/v1",
        "apiKey": "fake-key",
        "api": "openai-completions",
        "models": [{**fields, **model}],
    }


def settings(model_port: int, **gateway: Any) -> dict[str, Any]:
    """A configuration as the recordings were made with, on the scripted server."""
    anthropic = provider(model_port, id="fake-2", name="Fake Two", reasoning=True)
    anthropic |= {"baseUrl": f"http://127.0.0.1:{model_port}", "api": "anthropic-messages"}
    return {
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "auth": {"mode": "token", "token": TOKEN},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            **gateway,
        },
        "models": {
            "mode": "merge",
            "providers": {"fake": provider(model_port), "fakeant": anthropic},
        },
        "agents": {"defaults": {"model": {"primary": "fake/fake-1"}, "skipBootstrap": True}},
    }


def environment(home: Path) -> dict[str, str]:
    """Nothing of the developer's own settings reaches the process."""
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "COVERAGE_PROCESS_START")
    return {**{k: os.environ[k] for k in kept if k in os.environ}, "HOME": str(home)}


async def start_gateway(
    home: Path,
    config: dict[str, Any],
    *arguments: str,
    port: int = 0,
    variables: Mapping[str, str] | None = None,
) -> Started:
    """`cara up --json` in `home`, with more `variables`; port 0 takes a free one."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "carapace.json"
    path.write_text(json.dumps(config, indent=1))
    cara = str(Path(sys.executable).parent / "cara")
    command = (
        cara,
        "up",
        "--config",
        str(path),
        "--state-dir",
        str(home / "state"),
        "--port",
        str(port or free_port()),
        "--no-chat",
        "--no-model",
        "--json",
        *arguments,
    )
    return await _start(command, {**environment(home), **(variables or {})}, home, "event")


async def restart(old: Started) -> Started:
    """The same command again."""
    return await _start(old.command, old.env, old.home, "event")


@asynccontextmanager
async def running_gateway(
    home: Path, config: dict[str, Any], *arguments: str, port: int = 0
) -> AsyncGenerator[Started]:
    """A gateway that is ended with the block; port 0 takes a free one."""
    started = await start_gateway(home, config, *arguments, port=port)
    try:
        yield started
    finally:
        await _end(started)


@asynccontextmanager
async def gateway_with_model(folder: Path, **gateway: Any) -> AsyncGenerator[Started]:
    """A gateway whose models are the scripted ones, both ended with the block.

    `gateway` is added to the section of that name.
    """
    async with (
        model_server(folder) as model,
        running_gateway(folder / "gateway", settings(model.port, **gateway)) as started,
    ):
        yield started


async def ended(started: Started) -> None:
    """End a process started by hand."""
    await _end(started)


_ports = itertools.count(os.getpid() * 7_919)


def free_port() -> int:
    """A port that nobody has, and that the system gives to nobody who asks for any.

    Those it gives away lie above; one of them could be taken before the program that is started
    with it listens. Processes begin at different places.
    """
    for number in _ports:
        port = _FIRST_PORT + number % _PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError  # it counts for ever
