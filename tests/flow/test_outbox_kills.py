"""A sender that is killed again and again loses nothing and doubles nothing unmarked."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.counting_peer import Behaviour, CountingPeer, counting_peer

TESTS = Path(__file__).resolve().parent.parent
KILLS = int(os.environ.get("CARAPACE_OUTBOX_KILLS", "12"))
WEIGHTED = [Behaviour.OK] * 12 + [
    Behaviour.RESET_BEFORE,
    Behaviour.RESET_AFTER,
    Behaviour.BUSY,
    Behaviour.ERROR_BEFORE,
    Behaviour.ERROR_AFTER,
    Behaviour.GARBAGE,
    Behaviour.TORN,
]


@dataclass
class Child:
    """One life of the sender, and who wants what sent."""

    folder: Path
    port: int
    keys: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "support.sending_child",
            str(self.folder),
            str(self.port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            assert await self.process.stdout.readline() == b"up\n"
        self.reader = asyncio.create_task(self._listen(self.process.stdout))
        for key in self.keys:
            if key not in self.acknowledged:
                self.want(key)

    def want(self, key: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{key} {_conversation(key)}\n".encode())

    async def kill(self) -> None:
        assert self.process is not None
        assert self.reader is not None
        self.process.kill()
        await self.process.wait()
        await self.reader

    async def _listen(self, out: asyncio.StreamReader) -> None:
        while line := await out.readline():
            word, key, *_ = line.decode().split()
            assert word in {"ok", "dead"}, line
            (self.acknowledged.add if word == "ok" else self.dead.append)(key)


async def _lives(child: Child, luck: random.Random) -> None:
    for life in range(KILLS):
        await child.start()
        for number in range(luck.randint(1, 30)):
            key = f"c{luck.randint(0, 9)}-{life:04}-{number:03}"
            child.keys.append(key)
            child.want(key)
            if luck.random() < 0.3:
                await asyncio.sleep(luck.random() * 0.02)
        await asyncio.sleep(luck.random() * 0.2)
        await child.kill()


@pytest.mark.slow
@pytest.mark.timeout(60 + 3 * KILLS)
async def test_kills_lose_nothing_and_double_nothing_unmarked(tmp_path: Path):
    luck = random.Random()
    with counting_peer() as peer:
        peer.choose(lambda key: luck.choice(WEIGHTED))
        child = Child(tmp_path, peer.port)
        await _lives(child, luck)
        peer.choose(lambda key: Behaviour.OK)
        await child.start()
        assert await asyncio.to_thread(peer.arrived, len(child.keys), timeout_s=30)
        await child.kill()
        ledger = peer.ledger(set(child.keys))
        print(f"{KILLS} kills: {ledger}; {dict(peer.requests)}")
        assert (ledger.lost, ledger.unmarked, ledger.strange) == ((), (), ())
        assert child.dead == []
        assert_in_order(peer)


def assert_in_order(peer: CountingPeer) -> None:
    """First copies of a conversation came in the order in which they were put."""
    first: dict[str, list[str]] = defaultdict(list)
    for one in peer.arrivals:
        keys = first[_conversation(one.key)]
        if one.key not in keys:
            keys.append(one.key)
    assert all(keys == sorted(keys) for keys in first.values())


def _conversation(key: str) -> str:
    return key.partition("-")[0]
