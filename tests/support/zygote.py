"""Gateways that start in milliseconds, so that a test can kill a thousand of them.

What costs a start its time is importing, so one process imports everything and then forks a
child for each life. The child is the real gateway from its first step on, and `kill -9` ends it
like any other process.

async with zygote(home, config) as nest:
    life = await nest.hatch()
    life.kill()
    await life.ended()
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carapace.app.options import UpOptions
from carapace.app.run import run_gateway
from support.gateway import environment, free_port

__all__ = ["Life", "Zygote", "zygote"]

DEADLINE_S = 30.0
LATE = ("openai.resources.chat", "carapace.agent.providers.openai", "carapace.app.gateway")
"""What a gateway imports with its first turn; a life of a tenth of a second has no time for it."""
MAX_LINE = 1 << 20


@dataclass
class Life:
    """One gateway."""

    pid: int
    port: int
    nest: Zygote
    is_over: bool = False

    @property
    def http(self) -> str:
        """HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """WebSocket address."""
        return f"ws://127.0.0.1:{self.port}/"

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """`kill -9`, or a politer signal."""
        if not self.is_over:
            os.kill(self.pid, how)

    async def listens(self) -> bool:
        """Wait until it listens; False if it ended first."""
        said = await self.nest.line()
        self.is_over = said["event"] == "ended"
        return not self.is_over

    async def ended(self) -> None:
        """Wait for its end."""
        while not self.is_over:
            said = await self.nest.line()
            self.is_over = said["event"] == "ended"


class Zygote:
    """The process that has everything imported."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, home: Path) -> None:
        self._process = process
        self.port = port
        self.home = home

    async def fork(self) -> Life:
        """A new gateway at its first step."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"start\n")
        said = await self.line()
        assert said["event"] == "forked", (said, self.log())
        return Life(int(said["pid"]), self.port, self)

    async def hatch(self) -> Life:
        """A new gateway, listening."""
        life = await self.fork()
        assert await life.listens()
        return life

    async def line(self) -> dict[str, Any]:
        """What it says next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            line = await self._process.stdout.readline()
        assert line, self.log()
        said: dict[str, Any] = json.loads(line)
        return said

    def log(self) -> str:
        """The end of what the gateways wrote to stderr."""
        return (self.home / "stderr.log").read_text("utf-8", errors="replace")[-4000:]


@asynccontextmanager
async def zygote(home: Path, config: dict[str, Any], port: int = 0) -> AsyncGenerator[Zygote]:
    """The process, ended with the block together with its last child."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "carapace.json"
    path.write_text(json.dumps(config, indent=1))
    port = port or free_port()
    words = (str(path), str(home / "state"), str(port))
    with (home / "stderr.log").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**environment(home), "PYTHONPATH": str(Path(__file__).parent.parent)},
            cwd=home,
            limit=MAX_LINE,
            start_new_session=True,
        )
    nest = Zygote(process, port, home)
    try:
        assert (await nest.line())["event"] == "warm"
        yield nest
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        transport: Any = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


def say(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def live(config: str, state_dir: str, port: int) -> None:
    """Be a gateway until SIGTERM or worse."""
    sys.stdin.close()
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        options = UpOptions(config=config, state_dir=state_dir, port=port, no_model=True, json=True)
        await run_gateway(options, on_ready=lambda _: say("ready", pid=os.getpid()), stop=stop)

    asyncio.run(serve())


def main() -> None:
    config, state_dir, port = sys.argv[1:]
    for name in LATE:
        importlib.import_module(name)
    say("warm")
    for _ in sys.stdin:
        # The child waits until its parent has told its id.
        begin, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(begin, 1)
            try:
                live(config, state_dir, int(port))
            except BaseException as error:  # noqa: BLE001 - a child must never go on as the parent
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(1)
            os._exit(0)
        say("forked", pid=pid)
        os.write(go, b"!")
        os.close(begin)
        os.close(go)
        _, status = os.waitpid(pid, 0)
        say("ended", pid=pid, status=status)


if __name__ == "__main__":
    main()
