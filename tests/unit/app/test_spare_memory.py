"""Memory goes back to the system when a crowd has left, and only then."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from carapace.app.spare_memory import CROWD, EVERY_S, give_back, is_over, keep_small, watch
from support.clock import FakeClock

MB = 1024 * 1024


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.parametrize(
    ("peak", "now", "wanted"),
    [
        (0, 0, False),
        (CROWD - 1, 0, False),
        (CROWD, 0, True),
        (1_000, 499, True),
        (1_000, 500, False),
        (150, 60, False),
    ],
)
def test_a_crowd_is_over_when_many_left_and_few_stayed(peak: int, now: int, *, wanted: bool):
    assert is_over(peak, now) is wanted


@pytest.mark.skipif(sys.platform != "linux", reason="glibc has the call; reads /proc")
def test_freed_memory_goes_back_to_the_system():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        assert give_back() is False
        return
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(60_000) for _ in range(2_000)]
    last = libc.malloc(60_000)
    for block in (*blocks, last):
        ctypes.memset(block, 1, 60_000)
    held = rss_bytes()
    for block in blocks:
        libc.free(block)
    assert give_back() is True
    freed = held - rss_bytes()
    libc.free(last)
    assert freed > 80 * MB


_THREADS = """
import ctypes, sys, threading
from pathlib import Path
from carapace.app.spare_memory import keep_small

is_set = keep_small() if sys.argv[1] == "small" else None
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]


def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def work(ready, go):
    # What a thread freed stays with its own heap while the last block of it is in use.
    blocks = [libc.malloc(40_000) for _ in range(500)]
    for block in blocks:
        ctypes.memset(block, 1, 40_000)
    for block in blocks[:-1]:
        libc.free(block)
    ready.release()
    go.wait()


ready, go, before = threading.Semaphore(0), threading.Event(), rss()
threads = [threading.Thread(target=work, args=(ready, go)) for _ in range(6)]
for thread in threads:
    thread.start()
    ready.acquire()
print(is_set, (rss() - before) // 1_000_000)
go.set()
"""


def grown_mb(how: str) -> tuple[str, int]:
    """What six threads leave behind that needed 20 MB each, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", _THREADS, how], capture_output=True, text=True, check=True
    )
    is_set, mb = done.stdout.split()
    return is_set, int(mb)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc has the call")
def test_threads_share_what_one_of_them_freed():
    assert grown_mb("usual")[1] > 100
    is_set, mb = grown_mb("small")
    assert is_set == "True"
    assert mb < 40


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert give_back() is False
    assert keep_small() is False


class Watched:
    """A watch over a number of connections, and when it gave memory back."""

    def __init__(self) -> None:
        self.clock, self.connections = FakeClock(), 0
        self.released: list[int] = []
        self._called = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.task = asyncio.create_task(watch(lambda: self.connections, self.clock, self._release))

    def _release(self) -> None:
        self.released.append(self.connections)
        self._loop.call_soon_threadsafe(self._called.set)

    async def advance(self, delay_s: float, *, is_due: bool) -> None:
        self._called.clear()
        async with asyncio.timeout(30):
            while not self.clock.sleepers:  # noqa: ASYNC110 - the thread before has to end first
                await asyncio.sleep(0)
            await self.clock.advance(delay_s)
            if is_due:
                await self._called.wait()


async def test_it_is_called_once_after_each_crowd():
    watched = Watched()
    for count, is_due in (
        (0, False),
        (300, False),
        (280, False),
        (10, True),
        (5, False),
        (200, False),
        (0, True),
    ):
        watched.connections = count
        await watched.advance(2, is_due=is_due)
    watched.task.cancel()
    assert watched.released == [10, 0]


async def test_it_is_called_every_minute():
    watched = Watched()
    await watched.advance(EVERY_S - 1, is_due=False)
    assert watched.released == []
    for _ in range(2):
        await watched.advance(EVERY_S + 2, is_due=True)
    watched.task.cancel()
    assert len(watched.released) >= 2
