"""kill -9 at fifty random moments while twenty sessions chat: nothing that was promised is lost."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from carapace.store.integrity import integrity_problems
from support.chaos import Chatter, Ledger, in_parallel
from support.gateway import Started, ended, model_server, restart, settings, start_gateway
from support.ws import peer

KILLS = 50
SESSIONS = 20
READ_WRITE = ("operator.read", "operator.write")


def problems_after(gateway: Started, folder: Path) -> tuple[str, ...]:
    """The full integrity check, on a copy of the files as the kill left them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in gateway.state_dir.glob("carapace.db*"):
        shutil.copy(file, folder)
    path = folder / "carapace.db"
    with closing(sqlite3.connect(path)) as connection:
        return integrity_problems(connection, path, quick=False).problems


async def one_life(
    gateway: Started, chatters: list[Chatter], kill_after_s: float | None, *, looks_back: bool
) -> None:
    """Connect everybody, settle accounts, and chat until the kill (if there is to be one)."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(peer(gateway.url, scopes=READ_WRITE)) for _ in chatters
        ]
        pairs = list(zip(chatters, connections, strict=True))
        await in_parallel(*(one.settle(connection) for one, connection in pairs))
        if looks_back:
            await in_parallel(*(one.look_back(connection) for one, connection in pairs))
        if kill_after_s is None:
            return

        async def kill() -> None:
            await asyncio.sleep(kill_after_s)  # the random moment itself
            gateway.kill()

        await in_parallel(kill(), *(one.chat(connection) for one, connection in pairs))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_fifty_kills_lose_nothing_and_stick_nowhere(tmp_path: Path):
    seed = int(os.environ.get("CARAPACE_CHAOS_SEED", "20260131"))
    luck, ledger = random.Random(seed), Ledger()
    chatters = [Chatter(n, ledger, random.Random(luck.random())) for n in range(SESSIONS)]
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", settings(model.port))
        try:
            for number in range(KILLS):
                moment_s = luck.uniform(0.0, 0.5)
                await one_life(gateway, chatters, moment_s, looks_back=number % 10 == 9)
                await gateway.process.wait()
                ledger.counts["kills"] += 1
                found = problems_after(gateway, tmp_path / "copy")
                ledger.faults.extend(f"kill {number}: {problem}" for problem in found)
                ledger.counts["integrity checks"] += 1
                gateway = await restart(gateway)
            ledger.counts["found"] = 0
            await one_life(gateway, chatters, None, looks_back=True)
        finally:
            await ended(gateway)
            print(f"seed {seed}: {ledger}")
    counts = ledger.counts
    assert ledger.faults == []
    assert counts["kills"] == KILLS
    assert counts["found"] == counts["acknowledged"]
    assert counts["reported"] == counts["cut"]
    assert counts["cut"] > KILLS
    assert counts["sessions alive"] == SESSIONS * (KILLS + 1)
