"""A gateway under mixed load for minutes: memory stays, no task and no descriptor is left.

The same script runs for hours by hand: `python bench/soak.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from support.gateway import ROOT

MINUTES = float(os.environ.get("CARAPACE_SOAK_MINUTES", "5"))
AROUND_S = 240.0


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + AROUND_S + 30)
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
async def test_a_gateway_in_use_leaves_nothing_behind():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "bench" / "soak.py"),
        "--minutes",
        str(MINUTES),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(MINUTES * 60 + AROUND_S):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    text = out.decode()
    print(text)
    assert process.returncode == 0, text
