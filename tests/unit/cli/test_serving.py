"""The gateway runs in the foreground or in a thread, and stops in order."""

from __future__ import annotations

import asyncio
import builtins
import gc
import os
import signal
import sys

import pytest

from carapace.cli import serving
from carapace.cli.serving import GatewayThread, OnReady, run_in_foreground
from carapace.cli.trouble import Trouble
from carapace.errors import Refused


class Gateway:
    """Stands in for `run_gateway`: ready at once, ends when told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.has_stopped = False

    async def __call__(self, on_ready: OnReady, stop: asyncio.Event) -> None:
        if self.error is not None:
            raise self.error
        on_ready({"port": 1})
        await stop.wait()
        self.has_stopped = True


def test_a_signal_ends_the_foreground_in_order():
    gateway = Gateway()
    seen: list[dict] = []

    def on_ready(ready: dict) -> None:
        seen.append(ready)
        os.kill(os.getpid(), signal.SIGTERM)

    run_in_foreground(gateway, on_ready)
    assert seen == [{"port": 1}]
    assert gateway.has_stopped


def test_the_garbage_collector_leaves_alone_what_a_ready_gateway_consists_of():
    frozen: list[int] = []

    def on_ready(ready: dict) -> None:
        frozen.append(gc.get_freeze_count())
        os.kill(os.getpid(), signal.SIGTERM)

    gc.unfreeze()
    try:
        run_in_foreground(Gateway(), on_ready)
    finally:
        gc.unfreeze()
    assert frozen[0] > 1_000


def test_the_loop_need_not_wait_long_for_a_thread_of_the_database():
    before = sys.getswitchinterval()
    seen: list[float] = []

    def on_ready(ready: dict) -> None:
        seen.append(sys.getswitchinterval())
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        run_in_foreground(Gateway(), on_ready)
    finally:
        sys.setswitchinterval(before)
    assert seen == [pytest.approx(0.0005)]


def test_a_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch):
    codes: list[int] = []

    async def stubborn(on_ready: OnReady, stop: asyncio.Event) -> None:
        ended = asyncio.Event()

        def end(code: int) -> None:
            codes.append(code)
            ended.set()

        monkeypatch.setattr(os, "_exit", end)
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await ended.wait()

    run_in_foreground(stubborn, print)
    assert codes == [130]


def test_a_thread_is_ready_when_started_and_stops_when_told():
    gateway = Gateway()
    thread = GatewayThread(gateway)
    assert thread.start() == {"port": 1}
    thread.stop()
    assert gateway.has_stopped
    thread.stop()


def test_what_keeps_it_from_starting_is_raised():
    with pytest.raises(Refused, match="port is taken"):
        GatewayThread(Gateway(Refused("the port is taken"))).start()
    with pytest.raises(Refused):
        run_in_foreground(Gateway(Refused("x")), print)


def test_an_end_without_listening_is_trouble():
    async def quits(_on_ready: OnReady, _stop: asyncio.Event) -> None:
        return

    with pytest.raises(Trouble, match="before it listened"):
        GatewayThread(quits).start()


def test_what_goes_wrong_later_is_raised_at_the_end():
    async def fails(on_ready: OnReady, stop: asyncio.Event) -> None:
        on_ready({"port": 1})
        await stop.wait()
        raise Refused("late")

    thread = GatewayThread(fails)
    thread.start()
    with pytest.raises(Refused, match="late"):
        thread.stop()


def test_one_that_does_not_stop_in_time_is_trouble(monkeypatch: pytest.MonkeyPatch):
    release = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def stubborn(on_ready: OnReady, _stop: asyncio.Event) -> None:
        loops.append(asyncio.get_running_loop())
        on_ready({"port": 1})
        await release.wait()

    monkeypatch.setattr(serving, "_STOP_S", 0.02)
    thread = GatewayThread(stubborn)
    thread.start()
    with pytest.raises(Trouble, match="did not stop"):
        thread.stop()
    loops[0].call_soon_threadsafe(release.set)
    monkeypatch.setattr(serving, "_STOP_S", 5)
    thread.stop()


def test_an_impatient_person_stops_it_before_it_listens(monkeypatch: pytest.MonkeyPatch):
    gateway = Gateway()
    thread = GatewayThread(gateway)

    def interrupt() -> None:
        waited = real()
        assert waited
        raise KeyboardInterrupt

    real = thread._settled.wait
    monkeypatch.setattr(thread._settled, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
    assert gateway.has_stopped


def test_without_the_fast_loop_the_usual_one_is_taken(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest):
        if name == "uvloop":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert serving._loop_factory() is None
