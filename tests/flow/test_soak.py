"""A gateway under mixed load for minutes: memory stays, no task and no descriptor is left.

The same script runs for hours by hand: `python bench/soak.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import sys
from typing import Any

import pytest

from support.gateway import ROOT

MINUTES = float(os.environ.get("CARAPACE_SOAK_MINUTES", "5"))
AROUND_S = 240.0


@pytest.fixture(name="watch")
def watch_fixture(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("soak_watch")


def samples(watch: Any, seconds: int, mb_per_hour: float) -> list[Any]:
    """A process that scatters by a megabyte and grows so much, looked at every ten seconds."""
    luck = random.Random(1)
    return [
        watch.Sample(at, 140 + mb_per_hour * at / 3600 + luck.gauss(0, 1), 36, 12, 20, 0, 1.0)
        for at in range(0, seconds, 10)
    ]


@pytest.mark.parametrize(
    ("seconds", "mb_per_hour", "is_leak"),
    [(7_200, 0.0, False), (7_200, 3.0, True), (300, 0.0, False), (300, 600.0, True)],
)
def test_growth_is_told_from_scatter(watch: Any, seconds: int, mb_per_hour: float, is_leak: bool):
    assert watch.growth(samples(watch, seconds, mb_per_hour)).is_leak is is_leak


def test_what_stays_is_named(watch: Any):
    before = watch.Sample(0.0, 140.0, 36, 12, 20, 0, 1.0)
    after = watch.Sample(9.0, 140.0, 50, 12, 40, 0, 1.0)
    assert watch.left_behind(before, before) == []
    assert watch.left_behind(before, after) == [
        "file descriptors: 36 before, 50 after",
        "tasks: 20 before, 40 after",
    ]


@pytest.mark.slow
@pytest.mark.timeout(MINUTES * 60 + AROUND_S + 30)
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
async def test_a_gateway_in_use_leaves_nothing_behind():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "bench" / "soak.py"),
        "--minutes",
        str(MINUTES),
        # Half of them: the other tests run beside it.
        "--share",
        "0.5",
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
