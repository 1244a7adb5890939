"""`cara` as a process, against a gateway that a test has started."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.gateway import Started, environment

__all__ = ["CARA", "cara_env", "run_cara"]

CARA = str(Path(sys.executable).parent / "cara")


def cara_env(gateway: Started) -> dict[str, str]:
    return {
        **environment(gateway.home),
        "CARAPACE_CONFIG_PATH": str(gateway.home / "carapace.json"),
        "CARAPACE_STATE_DIR": str(gateway.state_dir),
        "CARAPACE_GATEWAY_PORT": str(gateway.port),
    }


async def run_cara(
    env: dict[str, str], *words: str, stdin: bytes | None = None
) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        CARA,
        *words,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
