"""What will be run, exactly, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from carapace.agent.exec.shown import shown_argv
from carapace.value import Value

__all__ = ["Command", "Exit", "OpenCommand"]


class Command(Value, frozen=True, kw_only=True):
    """One command as it was looked at.

    Attributes:
        argv: As the program gets it.
        path: Of the program, without links.
        cwd: Where it runs, without links.
        env: All of its environment, but for the private folder's name.
        digest: SHA-256 (hex) of everything that decides what happens: the program's content, the
            arguments and the files they name, folder and environment.
        is_script: Whether an interpreter runs it.
        is_carrier: Whether it runs what its arguments or files tell it, as shells do: allowed
            once each time and never for good (advisory L02).
    """

    argv: tuple[str, ...]
    path: Path
    cwd: Path
    env: Mapping[str, str]
    digest: str
    is_script: bool
    is_carrier: bool

    @property
    def shown(self) -> str:
        """All of it for a person's eyes."""
        return shown_argv(self.argv)


class OpenCommand(Value, frozen=True):
    """A command whose program and folder are held open, so that they cannot be swapped.

    Attributes:
        program_fd: What runs.
        cwd_fd: Where.
    """

    command: Command
    program_fd: int
    cwd_fd: int

    def close(self) -> None:
        """Let go of both."""
        os.close(self.program_fd)
        os.close(self.cwd_fd)


class Exit(Value, frozen=True):
    """How a command ended; one of these is set.

    Attributes:
        code: It ended by itself.
        signal: It was ended by a signal.
        error: It did not start, or its keeper was lost; the reason.
        timed_out: It was ended because it took too long.
        killed: It was ended because somebody asked, or the gateway stopped.
    """

    code: int | None = None
    signal: int | None = None
    error: str | None = None
    timed_out: bool = False
    killed: bool = False
