from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from carapace.clock import SystemClock
from carapace.config.watch import FileSignals, signature, watch
from support.clock import FakeClock


class HandSignals:
    """Hints when the test says so; notes which folders are listened to."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.folders = []
        self.listening = asyncio.Event()

    async def listen(self, folders):
        self.folders.append(frozenset(folders))
        self.listening.set()
        while True:
            await self.queue.get()
            yield None


@contextlib.asynccontextmanager
async def watching(wanted, changed, signals, clock):
    task = asyncio.create_task(
        watch(wanted, changed, signals=signals, clock=clock, debounce_s=lambda: 0.3)
    )
    await signals.listening.wait()
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle(condition):
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never happened")


async def hint(signals, clock, times=4):
    signals.queue.put_nowait(None)
    for _ in range(times):
        await settle(signals.queue.empty)
        await asyncio.sleep(0)
        await clock.advance(0.3)


async def test_a_change_is_told_after_the_quiet_time(tmp_path):
    path, calls, clock, signals = tmp_path / "c", [], FakeClock(), HandSignals()
    path.write_text("1")
    async with watching(lambda: frozenset({path}), lambda: calls.append(1), signals, clock):
        path.write_text("22")
        signals.queue.put_nowait(None)
        await settle(signals.queue.empty)
        await asyncio.sleep(0)
        await clock.advance(0.2)
        assert calls == []
        await clock.advance(0.2)
        await settle(lambda: calls == [1])
        await hint(signals, clock)
        assert calls == [1]


async def test_a_hint_without_a_change_is_nothing(tmp_path):
    path, calls, clock, signals = tmp_path / "c", [], FakeClock(), HandSignals()
    path.write_text("1")
    async with watching(lambda: frozenset({path}), lambda: calls.append(1), signals, clock):
        (tmp_path / "other").write_text("x")
        await hint(signals, clock)
    assert calls == []


async def test_a_file_that_vanishes_and_comes_back_is_seen(tmp_path):
    path, calls, clock, signals = tmp_path / "c", [], FakeClock(), HandSignals()
    async with watching(lambda: frozenset({path}), lambda: calls.append(1), signals, clock):
        path.write_text("1")
        await hint(signals, clock)
        path.unlink()
        await hint(signals, clock)
        (tmp_path / "new").write_text("333")
        (tmp_path / "new").replace(path)
        await hint(signals, clock)
    assert calls == [1, 1, 1]


async def test_new_includes_are_watched_too(tmp_path):
    path, clock, signals = tmp_path / "c", FakeClock(), HandSignals()
    more = tmp_path / "sub" / "inc"
    wanted = {path}
    async with watching(lambda: frozenset(wanted), lambda: wanted.add(more), signals, clock):
        more.parent.mkdir()
        path.write_text("1")
        await hint(signals, clock)
        await settle(lambda: len(signals.folders) == 2)
    assert signals.folders[1] == {tmp_path, more.parent}


async def test_a_file_that_never_rests_is_read_all_the_same(tmp_path):
    path, calls, clock, signals = tmp_path / "c", [], FakeClock(), HandSignals()
    async with watching(lambda: frozenset({path}), lambda: calls.append(1), signals, clock):
        path.write_text("")
        signals.queue.put_nowait(None)
        for n in range(1, 14):
            await settle(signals.queue.empty)
            await asyncio.sleep(0)
            path.write_text("x" * n)
            await clock.advance(0.3)
    assert calls


def test_a_missing_file_has_a_signature(tmp_path):
    assert signature([tmp_path / "none"]) == (None,)


@pytest.mark.slow
async def test_the_operating_system_tells_of_an_atomic_replace(tmp_path):
    path, told = tmp_path / "c", asyncio.Event()
    path.write_text("1")
    task = asyncio.create_task(
        watch(
            lambda: frozenset({path}),
            told.set,
            signals=FileSignals(poll_s=1),
            clock=SystemClock(),
            debounce_s=lambda: 0.01,
        )
    )
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
        (tmp_path / "new").write_text("22")
        os.rename(tmp_path / "new", path)  # noqa: PTH104 - pathlib would count as blocking
        await told.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
