"""The processes that are measured: the scripted model server, the Node gateway, Carapace."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "bench-token-for-loopback-only"  # noqa: S105 - of a gateway that lives for minutes
START_DEADLINE_S = 120.0
_FIRST_PORT, _PORTS = 12_000, 20_000


_ports = itertools.count(os.getpid() * 7_919)


def free_port() -> int:
    """A port that nobody has, below those that the system gives to whoever asks for any."""
    for number in _ports:
        port = _FIRST_PORT + number % _PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError  # it counts for ever


def settings(port: int, model_port: int) -> dict[str, Any]:
    """The configuration both gateways get."""
    model = {
        "id": "fake-1",
        "name": "Fake One",
        "reasoning": False,
        "input": ["text"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": 128000,
        "maxTokens": 8192,
    }
    provider = {
        "baseUrl": f"http://127.0.0.1:{model_port}/v1",
        "apiKey": "fake-key",
        "api": "openai-completions",
        "models": [model],
    }
    return {
        "gateway": {
            "mode": "local",
            "bind": "loopback",
            "port": port,
            "auth": {"mode": "token", "token": TOKEN},
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
            "reload": {"mode": "off"},
        },
        "update": {"checkOnStart": False},
        "models": {"mode": "merge", "providers": {"fake": provider}},
        "agents": {"defaults": {"model": {"primary": "fake/fake-1"}, "skipBootstrap": True}},
    }


@dataclass
class Peer:
    """A started process with its port."""

    name: str
    command: list[str]
    port: int
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Where its WebSocket is."""
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Of the started process."""
        if self.process is None:
            raise RuntimeError(f"{self.name} is not started")
        return self.process.pid

    def start(self) -> float:
        """Start it; seconds until its port accepts."""
        log = Path(self.env["HOME"]) / f"{self.name}.log"
        began = time.perf_counter()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdout=output, stderr=output, cwd=self.env["HOME"]
            )
        while time.perf_counter() - began < START_DEADLINE_S:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {log.read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
            except OSError:
                time.sleep(0.002)
            else:
                return time.perf_counter() - began
        raise RuntimeError(f"{self.name} did not listen: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
        self.process = None

    def stop(self) -> None:
        """End it, by force if need be."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.process = None


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children in MB."""
    total = 0
    for found in family(pid):
        try:
            pages = int(Path(f"/proc/{found}/statm").read_text().split()[1])
        except OSError:
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total / 1e6


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    out = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            out += family(int(child))
    return out


def model_server(home: Path) -> Peer:
    """The scripted model server."""
    port = free_port()
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT / "tests")}
    command = [sys.executable, "-m", "support.fake_llm", "--port", str(port)]
    return Peer("model", command, port, env)


def node_gateway(folder: Path, home: Path, model_port: int) -> Peer:
    """The unmodified Node gateway, as `spec` of its release says it is run."""
    port = free_port()
    node = next(folder.glob("node_modules/node-linux-*/bin/node"))
    config = home / ".clawdbot" / "clawdbot.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps(settings(port, model_port)))
    switches = (
        "DISABLE_BONJOUR",
        "SKIP_BROWSER_CONTROL_SERVER",
        "SKIP_GMAIL_WATCHER",
        "NO_RESPAWN",
    )
    env = {**os.environ, "HOME": str(home), **{f"CLAWDBOT_{name}": "1" for name in switches}}
    entry = str(folder / "node_modules" / "clawdbot" / "dist" / "entry.js")
    command = [str(node), "--disable-warning=ExperimentalWarning", entry, "gateway", "run"]
    command += ["--port", str(port), "--bind", "loopback"]
    return Peer("node", command, port, env)


def carapace(home: Path, model_port: int, more: dict[str, Any] | None = None) -> Peer:
    """This checkout, with `more` top-level settings."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "carapace.json"
    config.write_text(json.dumps(settings(port, model_port) | (more or {})))
    cara = str(Path(sys.executable).parent / "cara")
    command = [cara, "up", "--config", str(config), "--state-dir", str(home / "state")]
    command += ["--no-chat", "--no-model", "--json"]
    env = {**os.environ, "HOME": str(home)}
    return Peer("carapace", command, port, env)
