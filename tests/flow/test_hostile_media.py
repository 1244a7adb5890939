"""A hostile media server gets nothing: caps hold, memory stays, and the gateway goes on."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.hostile_media import BOMB_BYTES, TRICKS, HostileServer, hostile_server
from support.media_gateway import COMMAND, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures in /proc"),
]
MEBIBYTE = 1024 * 1024
MAX_ITEM_MB = 20
HEALTH_DEADLINE_S = 1.0
PING_EVERY_S = 0.02


@dataclass
class Target:
    """The gateway under attack, and how it felt."""

    session: aiohttp.ClientSession
    url: str
    folder: Path
    hostile: HostileServer
    waits_s: list[float] = field(default_factory=list[float])

    async def fetch(self, name: str) -> dict[str, Any]:
        async with self.session.post(f"{self.url}/fetch/{name}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def peak_bytes(self, *, is_new: bool = False) -> int:
        method = "POST" if is_new else "GET"
        async with self.session.request(method, f"{self.url}/peak") as answer:
            return (await answer.json())["bytes"]

    async def ping(self) -> None:
        """Ask for health without end."""
        while True:
            began_s = time.monotonic()
            async with self.session.get(f"{self.url}/health") as answer:
                assert answer.status == 200
            self.waits_s.append(time.monotonic() - began_s)
            await asyncio.sleep(PING_EVERY_S)

    def stored_files(self) -> list[Path]:
        return [path for path in (self.folder / "media").rglob("*") if path.is_file()]


@asynccontextmanager
async def attacked(folder: Path) -> AsyncGenerator[Target]:
    async with hostile_server() as hostile:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            str(folder),
            str(hostile.port),
            str(MAX_ITEM_MB),
            stdin=PIPE,
            stdout=PIPE,
            env=environment(),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(await asyncio.wait_for(process.stdout.readline(), 20))
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            target = Target(session, f"http://127.0.0.1:{port}", folder, hostile)
            pings = asyncio.create_task(target.ping())
            try:
                yield target
                assert not pings.done()
            finally:
                pings.cancel()
                await asyncio.wait([pings])
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0


def check(name: str, said: dict[str, Any]) -> None:
    trick = TRICKS[name]
    expected = (trick.outcome, trick.content_type, trick.picture)
    assert (said["outcome"], said["type"], said["picture"]) == expected, (name, said)


async def test_every_trick_ends_as_it_must_and_costs_little(tmp_path: Path):
    pytest.importorskip("PIL.Image")
    async with attacked(tmp_path) as target:
        check("picture-as-page", await target.fetch("picture-as-page"))  # all is imported now
        before = await target.peak_bytes(is_new=True)
        for name in TRICKS:
            check(name, await target.fetch(name))
        grown = await target.peak_bytes() - before
        stored = [name for name, trick in TRICKS.items() if trick.outcome == "stored"]
        assert len(target.stored_files()) == len(stored) + 1
        worst_s = max(target.waits_s)
        print(
            f"\n{len(TRICKS)} tricks: memory grew by {grown / MEBIBYTE:.1f} MiB, "
            f"health answered {len(target.waits_s)} times, at worst after {worst_s * 1000:.0f} ms"
        )
        assert grown < 2 * MAX_ITEM_MB * MEBIBYTE
        assert worst_s < HEALTH_DEADLINE_S
        for name in ("endless", "endless-chunks"):
            assert target.hostile.sent_bytes[name] < 2 * MAX_ITEM_MB * MEBIBYTE
        assert target.hostile.sent_bytes.get("endless-error", 0) < 8 * MEBIBYTE
        assert target.hostile.sent_bytes["gzip-bomb"] < BOMB_BYTES / 500


async def test_all_tricks_at_once_cost_little_more(tmp_path: Path):
    pytest.importorskip("PIL.Image")
    async with attacked(tmp_path) as target:
        check("picture-as-page", await target.fetch("picture-as-page"))
        before = await target.peak_bytes(is_new=True)
        names = [name for name in TRICKS if name not in ("slow-head", "no-answer")]
        said = await asyncio.gather(*(target.fetch(name) for name in names))
        grown = await target.peak_bytes() - before
        worst_s = max(target.waits_s)
        print(
            f"\n{len(names)} at once: memory grew by {grown / MEBIBYTE:.1f} MiB, "
            f"health at worst after {worst_s * 1000:.0f} ms"
        )
        # What waits behind the slow ones may meet its deadline first; nothing else changes.
        for name, one in zip(names, said, strict=True):
            if "too slowly" not in one["text"]:
                check(name, one)
        assert grown < 2 * MAX_ITEM_MB * MEBIBYTE
        assert worst_s < HEALTH_DEADLINE_S
