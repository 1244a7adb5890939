"""Runs one install command: an argument vector, never a shell; bounded in time and output.

A package manager has to write where it likes and to reach its registry, so it is not confined:
that is why an administrator has to ask for each one, and a setting has to allow it at all.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from typing import Final

from carapace.agent.child_process import ROOT, kill_group, reap
from carapace.value import Value

__all__ = ["InstallRun", "run_install"]

_MAX_OUTPUT_BYTES: Final = 65_536
_PIECE_BYTES: Final = 8_192
_KEPT: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE"),
    *("GOPATH", "GOBIN", "HOMEBREW_PREFIX", "NPM_CONFIG_PREFIX", "PNPM_HOME", "UV_TOOL_DIR"),
    *("UV_TOOL_BIN_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"),
)
"""No key of ours is among them."""


class InstallRun(Value, frozen=True):
    """How a command ended.

    Attributes:
        code: Its exit code; None if it was stopped at its time limit or never started.
        trouble: Why it has no code.
    """

    code: int | None
    stdout: str
    stderr: str
    trouble: str | None = None


async def run_install(
    argv: Sequence[str], environ: Mapping[str, str], *, timeout_s: float
) -> InstallRun:
    """Run `argv` to its end; it and its children are gone on return, whatever happens."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={name: environ[name] for name in _KEPT if name in environ},
            cwd=ROOT,
            start_new_session=True,
        )
    except OSError as error:
        return InstallRun(None, "", "", f"{argv[0]} cannot be started: {error.strerror}")
    out, err = bytearray(), bytearray()
    trouble: str | None = None
    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
            group.create_task(_collect(process.stdout, out))
            group.create_task(_collect(process.stderr, err))
            await process.wait()
    except TimeoutError:
        trouble = f"{argv[0]} was stopped after {timeout_s:g} s"
    finally:
        kill_group(process)
        await reap(process)
    code = None if trouble else process.returncode
    return InstallRun(code, _shown(out), _shown(err), trouble)


async def _collect(stream: asyncio.StreamReader | None, into: bytearray) -> None:
    """Read to the end, and keep the last part: what went wrong stands there."""
    while stream is not None and (piece := await stream.read(_PIECE_BYTES)):
        into += piece
        del into[:-_MAX_OUTPUT_BYTES]


def _shown(data: bytearray) -> str:
    return data.decode("utf-8", errors="replace").strip()
