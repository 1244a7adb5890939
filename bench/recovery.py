"""`kill -9` with answers waiting: how soon the next start has delivered them, and each once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chat_peers import Callback, webhook_settings
from store_rates import fill

from peers import carapace, free_port, rss_mb

__all__ = ["Recovery", "recovery", "waiting_mb"]

_DEADLINE_S: Final = 120.0
_IN_FLIGHT: Final = 8
_SETTLE_S: Final = 6.0


@dataclass(frozen=True)
class Recovery:
    """Times in seconds, from the moment the gateway listens again."""

    rows: int
    first_s: float
    last_s: float
    arrived: int
    marked: int
    unmarked: int


async def recovery(home: Path, rows: int) -> Recovery:
    """A gateway with `rows` answers waiting is killed while it sends; then started again."""
    await fill(home / "state", rows)
    callback = Callback({})
    await callback.server.start()
    channels = webhook_settings(f"http://127.0.0.1:{callback.server.port}/")
    peer = carapace(home, free_port(), {"channels": channels})
    try:
        callback.hangs = True
        await asyncio.to_thread(peer.start)
        await _until(lambda: callback.hanging >= _IN_FLIGHT)
        peer.kill()
        callback.hangs = False
        await asyncio.to_thread(peer.start)
        listens = time.perf_counter()
        await _until(lambda: len(callback.keys) >= rows)
    finally:
        await asyncio.to_thread(peer.stop)
        callback.server.stop()
    return Recovery(
        rows=rows,
        first_s=callback.first - listens,
        last_s=callback.last - listens,
        arrived=len(callback.keys),
        marked=callback.marked,
        unmarked=callback.repeated,
    )


async def waiting_mb(home: Path, rows: int) -> float:
    """Memory of a gateway with `rows` answers waiting for a receiver that is not there."""
    if rows:
        await fill(home / "state", rows)
    channels = webhook_settings(f"http://127.0.0.1:{free_port()}/")
    peer = carapace(home, free_port(), {"channels": channels})
    try:
        await asyncio.to_thread(peer.start)
        await asyncio.sleep(_SETTLE_S)
        return rss_mb(peer.pid)
    finally:
        await asyncio.to_thread(peer.stop)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.002)
