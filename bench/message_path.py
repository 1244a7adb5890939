"""End-to-end times of messages through a real gateway, and how late its loop was meanwhile."""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from chat_peers import Callback, Model, Person, Times, webhook_settings

from peers import Peer, carapace, free_port

__all__ = ["LEVELS", "Level", "Measured", "PathBench", "quantile"]

_SETTLE_S: Final = 60.0
_BUCKET = re.compile(
    r'^carapace_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE
)


@dataclass(frozen=True)
class Level:
    """So many people, each with so many messages, pausing on average so long after an answer."""

    people: int
    messages: int
    pause_s: float


LEVELS: Final = (Level(1, 200, 0.05), Level(10, 60, 0.5), Level(100, 20, 2.0))


@dataclass(frozen=True)
class Measured:
    """All times of one level, in milliseconds; the loop's lag as cumulative counts by bucket."""

    level: Level
    gateway_ms: list[float]
    webhook_ms: list[float]
    early: int
    seconds: float
    lag: dict[float, float]

    @property
    def per_second(self) -> float:
        """Messages."""
        return len(self.gateway_ms) / self.seconds


def quantile(values: list[float], part: float) -> float:
    """The value that `part` of the others do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


class PathBench:
    """A gateway with its people; use as an async context manager."""

    def __init__(self, home: Path) -> None:
        self.times: dict[str, Times] = {}
        self.model = Model(self.times)
        self.callback = Callback(self.times)
        self._home = home
        self._metrics_port = free_port()
        self._people = 0
        self._peer: Peer | None = None

    @property
    def peer(self) -> Peer:
        """The gateway."""
        assert self._peer is not None  # noqa: S101 - inside the context
        return self._peer

    async def __aenter__(self) -> Self:
        await self.model.server.start()
        await self.callback.server.start()
        more = {
            "channels": webhook_settings(f"http://127.0.0.1:{self.callback.server.port}/"),
            "metrics": {"enabled": True, "port": self._metrics_port},
        }
        self._peer = carapace(self._home, self.model.server.port, more)
        await asyncio.to_thread(self._peer.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.peer.stop)
        self.model.server.stop()
        self.callback.server.stop()

    async def measure(self, level: Level) -> Measured:
        """One level, after a few messages to warm up."""
        people = [self._person() for _ in range(level.people)]
        for person in people:
            await person.connect()
        await self._all(people, 2, 0.05)
        before, began = await self._lag(), time.perf_counter()
        found = await self._all(people, level.messages, level.pause_s)
        seconds, after = time.perf_counter() - began, await self._lag()
        for person in people:
            person.close()
        return Measured(
            level=level,
            gateway_ms=[one.gateway_ms for one in found],
            webhook_ms=[one.webhook_ms for one in found],
            early=sum(one.asked < one.accepted for one in found),
            seconds=seconds,
            lag={le: count - before[le] for le, count in after.items()},
        )

    def _person(self) -> Person:
        self._people += 1
        return Person(f"p{self._people}", self.peer.port, self.times)

    async def _all(self, people: list[Person], messages: int, pause_s: float) -> list[Times]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_converse(one, messages, pause_s)) for one in people]
        return [times for task in tasks for times in task.result()]

    async def _lag(self) -> dict[float, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._metrics_port)
        writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        text = (await reader.read(-1)).decode()
        writer.close()
        return {float(le.replace("+Inf", "inf")): float(n) for le, n in _BUCKET.findall(text)}


async def _converse(person: Person, messages: int, pause_s: float) -> list[Times]:
    luck = random.Random(person.name)  # noqa: S311 - pauses
    found: list[Times] = []
    for _ in range(messages):
        await asyncio.sleep(luck.uniform(0.0, 2 * pause_s))
        times = await person.write()
        async with asyncio.timeout(_SETTLE_S):
            await times.arrived.wait()
        found.append(times)
    return found
