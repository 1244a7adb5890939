"""A gateway that is killed while files arrive has each of them whole, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import random
import sqlite3
from asyncio.subprocess import PIPE, Process
from contextlib import closing, suppress
from pathlib import Path

import aiohttp
import pytest

from support.hostile_media import HostileServer, hostile_server
from support.media_gateway import COMMAND, environment

ROUNDS = 8


async def started(folder: Path, hostile: HostileServer) -> tuple[Process, int]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, str(folder), str(hostile.port), "20", stdin=PIPE, stdout=PIPE, env=environment()
    )
    assert process.stdout is not None
    return process, int(await asyncio.wait_for(process.stdout.readline(), 20))


async def ask_without_end(session: aiohttp.ClientSession, port: int) -> None:
    with suppress(aiohttp.ClientError):
        while True:
            await session.post(f"http://127.0.0.1:{port}/fetch/page-as-picture")


def rows(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{folder}/carapace.db?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT media_id, sha256 FROM media").fetchall())


def files(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "media").rglob("m-*")
    }


@pytest.mark.slow
async def test_killed_at_random_moments_nothing_is_half_there(tmp_path: Path):
    seen: list[int] = []
    async with hostile_server() as hostile, aiohttp.ClientSession() as session:
        for _ in range(ROUNDS):
            process, port = await started(tmp_path, hostile)
            # What the start found and tidied: every row has its file, every file its row.
            assert files(tmp_path) == rows(tmp_path)
            asking = [asyncio.create_task(ask_without_end(session, port)) for _ in range(6)]
            await asyncio.wait(asking, timeout=random.uniform(0.05, 0.4))
            process.kill()
            await process.wait()
            await asyncio.wait(asking)
            kept = rows(tmp_path)
            assert kept.items() <= files(tmp_path).items()
            seen.append(len(kept))
        process, _ = await started(tmp_path, hostile)
        assert files(tmp_path) == rows(tmp_path)
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    print(f"\nfiles after each kill: {seen}")
    assert seen == sorted(seen)
    assert seen[-1] > ROUNDS
