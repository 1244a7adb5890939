"""Both threads of a worker, in the test's own process and without a seal."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from carapace.plugins.frames import (
    Answer,
    Call,
    FrameError,
    FrameReader,
    FromWorker,
    HostCall,
    Load,
    Output,
    Result,
    Stop,
    ToWorker,
    WorkerLimits,
    decode_from_worker,
    frame,
)
from carapace.plugins.worker.engine import load_component, new_engine
from carapace.plugins.worker.guest import Guest
from carapace.plugins.worker.loop import GuestThread, Stream, serve
from carapace.plugins.worker.running import Deadline, RunningCall
from support.guests import hazard


class Gateway:
    """The other end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._held: list[FromWorker] = []

    def send(self, *messages: ToWorker) -> None:
        self.sock.sendall(b"".join(map(frame, messages)))

    def receive(self) -> FromWorker:
        while not self._held:
            self._held += map(decode_from_worker, self._reader.feed(self.sock.recv(1 << 20)))
        return self._held.pop(0)


@contextmanager
def at_work(
    name: str, grants: tuple[str, ...] = (), limits: WorkerLimits | None = None
) -> Generator[tuple[Gateway, Callable[[], BaseException | None]]]:
    """A gateway with a worker in threads, and what ended it."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    ended: list[BaseException | None] = []
    engine = new_engine()
    thread = GuestThread(Stream(theirs.fileno()), engine, lambda: True)
    descriptor = os.open(hazard(name), os.O_RDONLY)
    load = Load(1, grants, ("tool",), limits or WorkerLimits())
    thread.load(load_component(engine, descriptor), load)
    os.close(descriptor)
    thread.start()
    assert thread.is_sealed

    def work() -> None:
        try:
            serve(Stream(theirs.fileno()), thread)
        except FrameError as error:
            ended.append(error)
        else:
            ended.append(None)

    main = threading.Thread(target=work)
    main.start()

    def end() -> BaseException | None:
        main.join(10)
        assert not main.is_alive()
        return ended[0]

    try:
        yield Gateway(ours), end
    finally:
        ours.close()
        main.join(10)
        theirs.close()


def test_calls_are_answered_in_their_order_until_stop():
    with at_work("echo") as (gateway, end):
        gateway.send(*(Call(n, "tool", "invoke", ["x", str(n)], 5000) for n in (2, 3, 4)))
        assert [gateway.receive() for _ in range(3)] == [Result(n, ok=str(n)) for n in (2, 3, 4)]
        gateway.send(Stop())
        assert end() is None


def test_errors_and_traps_travel():
    with at_work("error") as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", ""], 5000))
        failed = gateway.receive()
        assert isinstance(failed, Result)
        assert failed.err is not None
        assert failed.err.retry_after_ms == 1500
    with at_work("spin") as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", ""], 50))
        stopped = gateway.receive()
        assert isinstance(stopped, Result)
        assert stopped.trap is not None
        assert stopped.trap.kind == "deadline"


def test_an_instance_that_does_not_come_to_its_beginning_is_stopped_between_calls_too(
    monkeypatch: pytest.MonkeyPatch,
):
    made, prepared = Guest._made, threading.Event()

    def spinning(guest: Guest, running: RunningCall, deadline: Deadline) -> Any:
        instance = made(guest, running, deadline)
        if guest._is_preparing:
            prepared.set()
            instance.function("carapace:plugin/tool@1.0.0", "invoke")(instance.store, "x", "")
        return instance

    monkeypatch.setattr(Guest, "_made", spinning)
    with at_work("spin") as (gateway, end):
        for number in (2, 3):
            gateway.send(Call(number, "tool", "invoke", ["x", ""], 50))
            stopped = gateway.receive()
            assert isinstance(stopped, Result)
            assert stopped.trap is not None
            assert stopped.trap.kind == "deadline"
            assert prepared.wait(10)
        gateway.send(Stop())
        assert end() is None


def test_a_host_call_waits_for_its_own_answer():
    with at_work("hang", ("config",)) as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "key"], 10_000))
        asked = gateway.receive()
        assert asked == HostCall(1, 2, "config", "get", ["key"])
        gateway.send(Answer(99, ok="of somebody else"), Answer(1, ok="mine"))
        assert gateway.receive() == Result(2, ok="mine")


def test_a_host_call_without_an_answer_ends_with_the_call():
    with at_work("hang", ("config",)) as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "key"], 50))
        gateway.receive()
        stopped = gateway.receive()
        assert isinstance(stopped, Result)
        assert stopped.trap is not None
        assert "config.get was under way" in stopped.trap.text


def test_a_line_for_the_log_is_not_waited_for_and_comes_before_the_result():
    with at_work("log", ("log",)) as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "a line"], 10_000))
        assert gateway.receive() == HostCall(1, 2, "log", "emit", ["warn", "a line"])
        assert gateway.receive() == Result(2, ok="")
        gateway.send(Call(3, "tool", "invoke", ["x", "more"], 10_000), Answer(1))
        assert gateway.receive() == HostCall(2, 3, "log", "emit", ["warn", "more"])
        assert gateway.receive() == Result(3, ok="")


@pytest.mark.slow
def test_of_many_lines_for_the_log_the_seventeenth_is_waited_for():
    with at_work("logs-20", ("log",)) as (gateway, _):
        # Three lines of the first call are still on their way when the second begins.
        for call_id, first, last in ((2, 1, 17), (3, 21, 34)):
            gateway.send(Call(call_id, "tool", "invoke", ["x", "a line"], 10_000))
            asked = [gateway.receive() for _ in range(first, last + 1)]
            assert asked[-1] == HostCall(last, call_id, "log", "emit", ["info", "a line"])
            assert not select.select([gateway.sock], [], [], 0.05)[0], "it does not wait"
            gateway.send(*map(Answer, range(first, last + 1)))
            rest = [gateway.receive() for _ in range(last + 1, first + 21)]
            assert rest[-1] == Result(call_id, ok="")


def test_a_long_line_for_the_log_is_waited_for():
    with at_work("log", ("log",)) as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "x" * 5000], 50))
        assert isinstance(gateway.receive(), HostCall)
        stopped = gateway.receive()
        assert isinstance(stopped, Result)
        assert stopped.trap is not None
        assert "log.emit was under way" in stopped.trap.text


def test_what_was_printed_comes_before_the_result():
    with at_work("print") as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "hello"], 5000))
        assert gateway.receive() == Output(2, "hello")
        assert gateway.receive() == Result(2, ok="")


@pytest.mark.slow
def test_an_answer_longer_than_a_frame_is_a_trap():
    with at_work("zeros") as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", ""], 20_000))
        stopped = gateway.receive()
        assert isinstance(stopped, Result)
        assert stopped.trap is not None
        assert stopped.trap.kind == "size"


@pytest.mark.slow
def test_a_question_longer_than_a_frame_is_a_trap():
    with at_work("asks-zeros", ("config",)) as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", ""], 20_000))
        stopped = gateway.receive()
        assert isinstance(stopped, Result)
        assert stopped.trap is not None
        assert "frame" in stopped.trap.text


def test_a_gateway_that_goes_away_ends_it():
    with at_work("echo") as (gateway, end):
        gateway.sock.close()
        assert end() is None


def test_a_second_load_and_garbage_are_errors():
    with at_work("echo") as (gateway, end):
        gateway.send(Load(2, (), ()))
        assert isinstance(end(), FrameError)
    with at_work("echo") as (gateway, end):
        gateway.sock.sendall(b"\xff\xff\xff\xff")
        assert isinstance(end(), FrameError)


def test_a_stream_gives_up_waiting_and_says_when_the_other_side_is_gone():
    ours, theirs = socket.socketpair()
    stream = Stream(theirs.fileno())
    began = time.monotonic()
    assert stream.next(0.01) is None
    assert stream.next(-1.0) is None
    assert time.monotonic() - began < 5
    ours.close()
    with pytest.raises(EOFError):
        stream.next()
    theirs.close()


def test_what_waits_for_a_call_is_let_go_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("carapace.plugins.worker.loop._SPARE_S", 0.01)
    rested = threading.Event()
    monkeypatch.setattr(Guest, "rest", lambda _: rested.set())
    with at_work("echo") as (gateway, _):
        gateway.send(Call(2, "tool", "invoke", ["x", "a"], 5000))
        assert gateway.receive() == Result(2, ok="a")
        assert rested.wait(10)
        gateway.send(Call(3, "tool", "invoke", ["x", "b"], 5000))
        assert gateway.receive() == Result(3, ok="b")


def test_a_thread_without_a_guest_serves_nothing():
    ours, theirs = socket.socketpair()
    thread = GuestThread(Stream(theirs.fileno()), new_engine(), lambda: False)
    with pytest.raises(RuntimeError, match="nothing is loaded"):
        thread._outcome(Call(1, "tool", "invoke", [], 1), None)  # type: ignore[arg-type]
    ours.close()
    theirs.close()
