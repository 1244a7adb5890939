from __future__ import annotations

import time

import pytest

from carapace.plugins.errors import GuestTrap
from carapace.plugins.frames import WorkerLimits
from carapace.plugins.worker.engine import new_engine, new_store
from carapace.plugins.worker.running import Deadline, Pollables, RunningCall

LIMITS = WorkerLimits(output_bytes=10_000)


def running(in_s: float = 10.0, **limits: int) -> tuple[RunningCall, list[str]]:
    said: list[str] = []
    made = RunningCall(
        1,
        time.monotonic() + in_s,
        limits=WorkerLimits(**limits) if limits else LIMITS,
        write=said.append,
    )
    return made, said


def test_prints_are_held_until_there_is_enough_or_somebody_asks():
    call, said = running()
    call.print(b"one ")
    call.print(b"two")
    assert said == []
    assert call.printed() == "one two"
    call.flush()
    call.flush()
    assert said == ["one two"]
    call.print(b"x" * 5000)
    assert said[1:] == ["x" * 5000]
    assert call.printed().endswith("x")


def test_a_character_in_two_pieces_stays_one():
    call, said = running()
    call.print("ü".encode()[:1])
    call.print("ü".encode()[1:] + b"\xff")
    call.flush()
    assert said == ["ü\ufffd"]


def test_printing_ends_at_the_cap_with_what_fits():
    call, said = running(output_bytes=5)
    call.print(b"1234")
    with pytest.raises(GuestTrap, match="printed more") as caught:
        call.print(b"5678")
    assert caught.value.kind == "output"
    with pytest.raises(GuestTrap):
        call.print(b"9")
    call.flush()
    assert "".join(said) == "12345"


def test_waiting_ends_with_the_moment_or_with_the_call():
    call, _ = running(0.05)
    began = time.monotonic()
    call.wait_until(0.0)
    call.wait_until(began + 0.01)
    with pytest.raises(GuestTrap) as caught:
        call.wait_until(began + 60)
    assert caught.value.kind == "deadline"
    assert time.monotonic() - began < 5
    assert call.left_s() <= 0


def test_handles_are_forgotten_when_dropped_and_bounded():
    held = Pollables()
    first = held.add(5.0)
    assert held.due_s(first) == 5.0
    held.drop(first)
    held.drop(first)
    assert held.due_s(first) == 0.0
    for _ in range(1024):
        held.add(1.0)
    with pytest.raises(GuestTrap, match="wait for"):
        held.add(1.0)


class Counting:
    """An engine that counts how often its epoch moves."""

    moved = 0

    def increment_epoch(self) -> None:
        self.moved += 1


def test_time_stops_only_the_call_that_runs_and_only_once():
    engine = Counting()
    deadline = Deadline(engine)  # type: ignore[arg-type]
    store = new_store(new_engine(), LIMITS)
    deadline.pass_time()
    deadline.begin(time.monotonic() + 60, store)
    deadline.pass_time()
    assert engine.moved == 0
    deadline.end()
    with pytest.raises(GuestTrap, match="before it could begin"):
        deadline.begin(time.monotonic() - 1, store)
    deadline.pass_time()
    assert engine.moved == 0
    deadline.begin(time.monotonic() + 0.001, store)
    while time.monotonic() < deadline._at_s:  # type: ignore[operator]
        pass
    deadline.pass_time()
    deadline.pass_time()
    assert engine.moved == 1
