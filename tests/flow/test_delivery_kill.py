"""kill -9 some hundred times while people write and a peer misbehaves: the ledger stays even."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from support.counting_peer import Behaviour, CountingPeer, counting_peer
from support.gateway import model_server, settings
from support.script_people import Person, account, webhook_settings
from support.zygote import Life, Zygote, zygote

# A hundred with every change; `just kills` runs a thousand.
KILLS = int(os.environ.get("CARAPACE_KILLS", "100"))
PEOPLE = 8
RECOVERY_S = 2.0
SETTLE_S = 60.0
LOOK_EVERY = 50
STARTING = 0.2
BAD = (
    Behaviour.RESET_BEFORE,
    Behaviour.RESET_AFTER,
    Behaviour.BUSY,
    Behaviour.ERROR_BEFORE,
    Behaviour.ERROR_AFTER,
    Behaviour.GARBAGE,
    Behaviour.TORN,
)


async def keep_writing(person: Person, url: str, luck: random.Random) -> None:
    async with aiohttp.ClientSession() as client:
        while True:
            await person.write(client, url, f"[[tokens:{luck.randint(1, 12)}]]")


async def one_life(nest: Zygote, luck: random.Random) -> None:
    """Start, and kill at a random moment: mostly in traffic, sometimes while starting."""
    life = await nest.fork()
    if luck.random() < STARTING:
        await asyncio.sleep(luck.uniform(0.0, 0.1))  # the random moment itself
    else:
        await life.listens()
        await asyncio.sleep(luck.uniform(0.0, 0.2))  # likewise
    life.kill()
    await life.ended()


def owed(people: list[Person], peer: CountingPeer) -> set[str]:
    arrived = {one.body.get("replyTo") for one in list(peer.arrivals)}
    return {one for person in people for one in person.acknowledged} - arrived


async def recovered_s(life: Life, people: list[Person], peer: CountingPeer) -> float | None:
    """From listening to the first answer that an earlier life owed; None if none was owed."""
    before = owed(people, peer)
    began = time.monotonic()
    if not before:
        return None
    async with asyncio.timeout(SETTLE_S):
        while not before - owed(people, peer):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.01)
    return time.monotonic() - began


async def settle(people: list[Person], peer: CountingPeer) -> None:
    """Wait until nothing is owed."""
    async with asyncio.timeout(SETTLE_S):
        while owed(people, peer):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.05)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_kills_lose_nothing_and_double_nothing_unmarked(tmp_path: Path):
    seed = int(os.environ.get("CARAPACE_CHAOS_SEED", "20261122"))
    luck = random.Random(seed)
    people = [Person(f"p{number}") for number in range(PEOPLE)]
    waits: list[float] = []
    with counting_peer() as peer:
        manners = random.Random(luck.random())
        peer.choose(lambda _: manners.choice(BAD) if manners.random() < 0.1 else Behaviour.OK)
        async with model_server(tmp_path) as model:
            config = settings(model.port)
            config["channels"] = {"webhook": webhook_settings(peer.url)}
            async with zygote(tmp_path / "gateway", config) as nest:
                url = f"http://127.0.0.1:{nest.port}/channels/webhook/default"
                writing = [
                    asyncio.create_task(keep_writing(one, url, random.Random(luck.random())))
                    for one in people
                ]
                for number in range(KILLS):
                    await one_life(nest, luck)
                    if number % LOOK_EVERY == LOOK_EVERY - 1:
                        life = await nest.hatch()
                        waited = await recovered_s(life, people, peer)
                        waits += [] if waited is None else [waited]
                        life.kill()
                        await life.ended()
                for task in writing:
                    task.cancel()
                await asyncio.wait(writing)
                peer.choose(lambda _: Behaviour.OK)
                await nest.hatch()
                await settle(people, peer)
                log = nest.log()
        ledger = account(people, list(peer.arrivals))
        worst = max(waits, default=0.0)
        print(f"seed {seed}: {KILLS} kills, {sum(one.sent for one in people)} requests, {ledger}")
        print(f"answers: {sum((one.answers for one in people), Counter[int]())}")
        print(f"recovery: {len(waits)} times, worst {worst:.2f} s; peer: {dict(peer.requests)}")
    assert [one.refused for one in people] == [[]] * PEOPLE, log
    assert ledger.lost == ()
    assert ledger.unmarked == ()
    assert ledger.out_of_order == 0
    assert ledger.acknowledged > KILLS
    assert worst < RECOVERY_S
