from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Self

import pytest
from wasmtime.component import Variant

from carapace.plugins.errors import GuestTrap
from carapace.plugins.frames import WorkerLimits
from carapace.plugins.worker.running import RunningCall
from carapace.plugins.worker.wasi import MiniWasi


class Handle:
    """A borrowed handle as the library gives one; counts how often it was closed."""

    closed = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def to_host(self, _store: object) -> SimpleNamespace:
        return SimpleNamespace(rep=self.number)


def machine(in_s: float = 5.0) -> tuple[MiniWasi, RunningCall]:
    call = RunningCall(1, time.monotonic() + in_s, limits=WorkerLimits(), write=lambda _: None)
    return MiniWasi(lambda: call), call


def test_there_is_no_environment_no_argument_no_file_and_no_terminal():
    wasi, _ = machine()
    assert wasi.function("cli/environment", "get-environment")(None) == []
    assert wasi.function("cli/environment", "get-arguments")(None) == []
    assert wasi.function("filesystem/preopens", "get-directories")(None) == []
    for interface, name in (
        ("cli/environment", "initial-cwd"),
        ("cli/terminal-stdout", "get-terminal-stdout"),
    ):
        assert wasi.function(interface, name)(None) == Variant("none")


def test_every_socket_is_denied():
    wasi, _ = machine()
    for interface, name in (
        ("sockets/tcp-create-socket", "create-tcp-socket"),
        ("sockets/udp-create-socket", "create-udp-socket"),
    ):
        assert wasi.function(interface, name)(None, "ipv4") == Variant("err", "access-denied")
    look_up = wasi.function("sockets/ip-name-lookup", "resolve-addresses")
    network = Handle(1)
    assert look_up(None, network, "host") == Variant("err", "access-denied")
    assert network.closed == 1


def test_what_is_not_answered_traps_by_its_name():
    wasi, _ = machine()
    with pytest.raises(GuestTrap, match=r"wasi:filesystem/types#\[method\]descriptor\.open-at"):
        wasi.function("filesystem/types", "[method]descriptor.open-at")(None, Handle(1), "x")


def test_clocks_go_forward_and_dates_are_now():
    wasi, _ = machine()
    now = wasi.function("clocks/monotonic-clock", "now")
    first, second = now(None), now(None)
    assert 0 <= first <= second
    date = wasi.function("clocks/wall-clock", "now")(None)
    assert abs(date.seconds - time.time()) < 5
    assert 0 <= date.nanoseconds < 10**9
    assert wasi.function("clocks/monotonic-clock", "resolution")(None) > 0


def test_random_numbers_differ_and_are_bounded():
    wasi, _ = machine()
    some = wasi.function("random/random", "get-random-bytes")
    assert len(some(None, 32)) == 32
    assert some(None, 32) != some(None, 32)
    with pytest.raises(GuestTrap, match="random bytes"):
        some(None, 10**9)
    assert wasi.function("random/random", "get-random-u64")(None) < 2**64
    one, other = wasi.function("random/insecure-seed", "insecure-seed")(None)
    assert one != other


def test_a_moment_is_waited_for_and_the_next_one_not():
    wasi, call = machine()
    soon = wasi.function("clocks/monotonic-clock", "subscribe-duration")
    soon(None, 1_000_000)
    soon(None, 3_600_000_000_000)
    poll = wasi.function("io/poll", "poll")
    assert poll(None, [Handle(1), Handle(2)]) == [0]
    ready = wasi.function("io/poll", "[method]pollable.ready")
    assert ready(None, Handle(1)) is True
    assert ready(None, Handle(2)) is False
    wasi.function("io/poll", "[method]pollable.block")(None, Handle(1))
    wasi.drop("pollable")(None, 2)
    assert ready(None, Handle(2)) is True
    wasi.drop("output-stream")(None, 1)
    assert call.pollables.due_s(1) > 0


def test_an_instant_of_its_own_clock_is_one_of_ours():
    wasi, call = machine()
    now_ns = wasi.function("clocks/monotonic-clock", "now")(None)
    wasi.function("clocks/monotonic-clock", "subscribe-instant")(None, now_ns + 10**9)
    assert 0.5 < call.pollables.due_s(1) - time.monotonic() < 1.5


def test_waiting_ends_with_the_call_and_waiting_for_nothing_at_once():
    wasi, _ = machine(0.01)
    wasi.function("clocks/monotonic-clock", "subscribe-duration")(None, 10**12)
    with pytest.raises(GuestTrap) as caught:
        wasi.function("io/poll", "[method]pollable.block")(None, Handle(1))
    assert caught.value.kind == "deadline"
    with pytest.raises(GuestTrap, match="nothing"):
        wasi.function("io/poll", "poll")(None, [])


def test_what_is_printed_is_kept_and_input_is_at_its_end():
    wasi, call = machine()
    out = Handle(1)
    for name in ("write", "blocking-write-and-flush"):
        answer = wasi.function("io/streams", f"[method]output-stream.{name}")(None, out, b"hi ")
        assert answer == Variant("ok")
    assert call.printed() == "hi hi "
    assert out.closed == 2
    for name in ("flush", "blocking-flush"):
        assert wasi.function("io/streams", f"[method]output-stream.{name}")(None, out).tag == "ok"
    room = wasi.function("io/streams", "[method]output-stream.check-write")(None, out)
    assert room.payload == 4096
    end = wasi.function("io/streams", "[method]input-stream.blocking-read")(None, Handle(0), 10)
    assert end == Variant("err", Variant("closed"))
    wasi.function("io/streams", "[method]input-stream.subscribe")(None, Handle(0))
    assert call.pollables.due_s(1) == 0.0


def test_handles_have_numbers_and_unknown_ones_none():
    wasi, _ = machine()
    numbers = [wasi.resource(name) for name in ("pollable", "output-stream", "error")]
    assert len(set(numbers)) == 3
    assert None not in numbers
    assert wasi.resource("wormhole") is None
    handle = wasi.function("cli/stderr", "get-stderr")(None)
    assert (handle.rep, handle.type) == (2, wasi.resource("output-stream"))


def test_leaving_is_a_trap_that_says_so():
    wasi, _ = machine()
    with pytest.raises(GuestTrap, match="ended itself"):
        wasi.function("cli/exit", "exit")(None, Variant("err"))
