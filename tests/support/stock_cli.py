"""The stock Node command line and gateway, unmodified, as processes.

`CARAPACE_NODE_GATEWAY` names the folder that was made from `tests/peers/node-gateway`, and
`CARAPACE_OPENCLAW` the one from `tests/peers/openclaw`, the release after the renaming.
The command line runs in remote mode with a home of its own, so it talks to the gateway
under test and to nothing else.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import tempfile
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from support.command import Done
from support.gateway import Started, ended, free_port

__all__ = [
    "CLAWDBOT",
    "OPENCLAW",
    "Brand",
    "Done",
    "StockCli",
    "Tui",
    "node_folder",
    "node_gateway",
    "shape_of",
]

CLI_DEADLINE_S = 60.0
NODE_START_DEADLINE_S = 150.0
_ROWS, _COLUMNS = 40, 120
_SWITCHES = (
    "DISABLE_BONJOUR",
    "NO_RESPAWN",
    "HIDE_BANNER",
    "SKIP_BROWSER_CONTROL_SERVER",
    "SKIP_GMAIL_WATCHER",
)
_ESCAPES = re.compile(
    rb"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[_P][^\x1b\x07]*(?:\x1b\\|\x07)"
)


@dataclass(frozen=True, slots=True)
class Brand:
    """One release of the Node packages.

    Attributes:
        name: Of the package, of its configuration file and (with a dot) of its folder at home.
        peer: The folder of `tests/peers` it is installed from.
        variable: Names the folder it was installed into.
    """

    name: str
    peer: str
    variable: str


CLAWDBOT = Brand("clawdbot", "node-gateway", "CARAPACE_NODE_GATEWAY")
OPENCLAW = Brand("openclaw", "openclaw", "CARAPACE_OPENCLAW")


def node_folder(brand: Brand = CLAWDBOT) -> Path:
    """Where the Node packages are; skips the test, with the reason, if they are nowhere."""
    named = os.environ.get(brand.variable)
    if not named:
        pytest.skip(
            "the stock Node command line is not here: run npm install in a copy of "
            f"tests/peers/{brand.peer} and set {brand.variable} to its folder"
        )
    folder = Path(named)
    if not (folder / "node_modules" / brand.name / "dist" / "entry.js").is_file():
        pytest.skip(f"{brand.variable} is {named}, and there is no {brand.name} in it")
    return folder


def _command(folder: Path, brand: Brand = CLAWDBOT) -> list[str]:
    node = next(folder.glob("node_modules/node-linux-*/bin/node"), None)
    entry = folder / "node_modules" / brand.name / "dist" / "entry.js"
    return [str(node or "node"), "--disable-warning=ExperimentalWarning", str(entry)]


def _environment(home: Path, brand: Brand = CLAWDBOT) -> dict[str, str]:
    """A home of its own; the temp directory is shared, for the compile cache in it."""
    kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(home),
        "NO_COLOR": "1",
        "NODE_COMPILE_CACHE": str(Path(tempfile.gettempdir()) / "stock-node-compiled"),
        **{f"{brand.name.upper()}_{name}": "1" for name in _SWITCHES},
    }


@asynccontextmanager
async def node_gateway(
    folder: Path, home: Path, config: dict[str, Any], *, brand: Brand = CLAWDBOT
) -> AsyncGenerator[Started]:
    """The Node gateway on a free port with `config`, ended with the block."""
    port = free_port()
    path = home / f".{brand.name}" / f"{brand.name}.json"
    path.parent.mkdir(parents=True)
    settings = {**config, "gateway": {**config["gateway"], "port": port, "reload": {"mode": "off"}}}
    path.write_text(json.dumps({**settings, "update": {"checkOnStart": False}}))
    command = [
        *_command(folder, brand),
        "gateway",
        "run",
        "--port",
        str(port),
        "--bind",
        "loopback",
    ]
    env = _environment(home, brand)
    with (home / "stderr.log").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd=home,
        )
    started = Started(process, port, home, {}, tuple(command), env)
    try:
        await _until_listening(started)
        yield started
    finally:
        await ended(started)


async def _until_listening(started: Started) -> None:
    async with asyncio.timeout(NODE_START_DEADLINE_S):
        while True:
            if started.process.returncode is not None:
                raise RuntimeError(f"the Node gateway ended: {started.log()[-2000:]}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", started.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return


class StockCli:
    """The unmodified command line with a home of its own, pointed at one gateway.

    It speaks of a `channel` only if that is switched on in its own configuration, as its user
    has to do with the Node gateway too.
    """

    def __init__(
        self,
        folder: Path,
        home: Path,
        url: str,
        token: str | None,
        *,
        brand: Brand = CLAWDBOT,
        channel: str | None = None,
    ) -> None:
        self.home = home
        self._channel = channel
        self._brand = brand
        self._command = _command(folder, brand)
        self._env = _environment(home, brand)
        self.point_at(url, token)

    def point_at(self, url: str, token: str | None) -> None:
        """Write its configuration; without a token it has to use what it kept."""
        remote = {"url": url} if token is None else {"url": url, "token": token}
        path = self._folder / f"{self._brand.name}.json"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        config: dict[str, Any] = {"gateway": {"mode": "remote", "remote": remote}}
        if self._channel is not None:
            config["plugins"] = {"entries": {self._channel: {"enabled": True}}}
        path.write_text(json.dumps(config))
        path.chmod(0o600)

    @property
    def _folder(self) -> Path:
        return self.home / f".{self._brand.name}"

    @property
    def device_auth(self) -> dict[str, Any]:
        """The device tokens it kept from hello-ok."""
        path = self._folder / "identity" / "device-auth.json"
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept

    async def __call__(self, *words: str) -> Done:
        """Run one command to its end."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._env,
            cwd=self.home,
        )
        try:
            async with asyncio.timeout(CLI_DEADLINE_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        """A command that goes on until the block ends, with what it prints on `stdout`."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._env,
            cwd=self.home,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(CLI_DEADLINE_S):
                await process.communicate()

    def tui(self) -> Tui:
        """Its terminal interface in a pseudo-terminal; use with `async with`."""
        return Tui([*self._command, "tui"], self._env | {"TERM": "xterm-256color"}, self.home)


class Tui:
    """A terminal with a person at it: types, and reads until something is on the screen."""

    def __init__(self, command: list[str], env: dict[str, str], home: Path) -> None:
        self._start = command, env, home
        self._seen = b""
        self._mark = 0
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        command, env, home = self._start
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        os.set_blocking(self._master, False)
        self.process = await asyncio.create_subprocess_exec(
            *command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            cwd=home,
            start_new_session=True,
        )
        os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        os.close(self._master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:  # Linux says so when the last process of the terminal has ended
            data = b""
        if data:
            self._seen += data
        else:
            asyncio.get_running_loop().remove_reader(self._master)
        self._changed.set()

    @property
    def screen(self) -> str:
        """What was drawn since the last line was typed, without escapes and layout."""
        text = _ESCAPES.sub(b" ", self._seen[self._mark :]).decode(errors="replace")
        return " ".join(text.split())

    async def see(self, wanted: str, timeout_s: float = 20.0) -> str:
        """Wait until `wanted` was drawn; what was drawn with it."""
        try:
            async with asyncio.timeout(timeout_s):
                while wanted not in (screen := self.screen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted!r} never showed: {self.screen[-2000:]}") from None
        return screen

    async def enter(self, line: str) -> None:
        """Type a line, see it in the editor, press Enter."""
        self._mark = len(self._seen)
        os.write(self._master, line.encode())
        await self.see(" ".join(line.split()))
        self._mark = len(self._seen)
        os.write(self._master, b"\r")

    def press(self, keys: bytes) -> None:
        """Press keys as the terminal sends them."""
        os.write(self._master, keys)

    async def left(self, timeout_s: float = 20.0) -> int:
        """Wait until the program has ended; its exit code."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


def shape_of(value: object, path: str = "") -> set[tuple[str, str]]:
    """Every field of a JSON value with its type: `(".sessions[].key", "str")`.

    Whole numbers are `int`; a list's elements share one path.
    """
    if isinstance(value, dict):
        inner = [shape_of(item, f"{path}.{name}") for name, item in value.items()]
        return {(path, "object")}.union(*inner)
    if isinstance(value, list):
        return {(path, "list")}.union(*(shape_of(item, f"{path}[]") for item in value))
    return {(path, type(value).__name__)}
