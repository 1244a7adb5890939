"""A program on a terminal of its own, as a person has it before them."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Terminal", "terminal"]

_DEADLINE_S: Final = 30.0
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """What the person sees and types.

    Args:
        process: The program.
        master: The terminal's other end.
    """

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._data = b""
        self._seen = 0

    @property
    def text(self) -> str:
        """All that was shown, without colours and carriage returns."""
        return _ESCAPES.sub("", self._data.decode(errors="replace")).replace("\r", "")

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        os.write(self._master, line.encode() + b"\r")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._master, b"\x03")

    async def shows(self, wanted: str, *, deadline_s: float = _DEADLINE_S) -> str:
        """Wait for `wanted` in what is shown after the last hit; all up to its end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while (at := self.text.find(wanted, self._seen)) < 0:
            assert loop.time() < until, f"{wanted!r} was not shown: {self.text[self._seen :]}"
            if not await asyncio.to_thread(self._read):
                raise AssertionError(f"it ended before {wanted!r}: {self.text[self._seen :]}")
        begin, self._seen = self._seen, at + len(wanted)
        return self.text[begin : self._seen]

    async def ends(self, *, deadline_s: float = 15.0) -> int:
        """Wait until the program ends; its exit code."""
        async with asyncio.timeout(deadline_s):
            while await asyncio.to_thread(self._read):
                pass
            return await asyncio.to_thread(self.process.wait, deadline_s)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal from outside."""
        self.process.send_signal(number)

    def _read(self) -> bool:
        """Take what is shown within a moment; False at the end."""
        import select  # noqa: PLC0415 - beside its only use

        if not select.select([self._master], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # Linux says so when the last holder of the other end is gone
            return False
        self._data += data
        return bool(data)


@contextmanager
def terminal(command: Sequence[str], env: dict[str, str], folder: Path) -> Generator[Terminal]:
    """Run `command` on a terminal; killed with the block if it still runs."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**env, "TERM": "xterm", "COLUMNS": "200"},
        cwd=folder,
        start_new_session=True,
        # Ctrl-C reaches only who has a controlling terminal; two system calls need no lock.
        preexec_fn=_own_terminal,  # noqa: PLW1509 - as above
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _own_terminal() -> None:
    import fcntl  # noqa: PLC0415 - beside its only use
    import termios  # noqa: PLC0415

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
