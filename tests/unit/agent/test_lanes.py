"""Lanes: order, caps, fairness; and that nothing gets stuck whatever the order of calls."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from carapace.agent.lanes import Lanes
from carapace.errors import Refused
from carapace.ids import RunId, SessionKey

A, B, C = SessionKey("a"), SessionKey("b"), SessionKey("c")


def put(lanes: Lanes, key: SessionKey, *runs: str) -> None:
    for run in runs:
        lanes.reserve(key)
        lanes.enqueue(key, RunId(run))


def test_one_session_runs_one_turn_at_a_time_in_order():
    lanes = Lanes(max_running=4)
    put(lanes, A, "1", "2", "3")
    assert lanes.take() == ["1"]
    assert lanes.take() == []
    assert lanes.release(RunId("1"))
    assert lanes.take() == ["2"]
    assert (lanes.running, lanes.queued, lanes.depth(A)) == (1, 1, 1)


def test_the_house_has_a_cap_over_all_sessions():
    lanes = Lanes(max_running=2)
    for key, run in ((A, "1"), (B, "2"), (C, "3")):
        put(lanes, key, run)
    assert lanes.take() == ["1", "2"]
    lanes.release(RunId("2"))
    assert lanes.take() == ["3"]


def test_a_busy_session_does_not_starve_the_others():
    lanes = Lanes(max_running=1)
    put(lanes, A, "a1", "a2", "a3")
    put(lanes, B, "b1")
    order: list[str] = []
    while started := lanes.take():
        order += started
        lanes.release(started[0])
    assert order == ["a1", "b1", "a2", "a3"]


def test_a_full_session_refuses_and_says_what_to_do():
    lanes = Lanes(max_running=1, max_queued_per_session=2)
    put(lanes, A, "1", "2")
    with pytest.raises(Refused, match="2 messages waiting") as caught:
        lanes.reserve(A)
    assert caught.value.retryable
    lanes.reserve(B)


def test_a_full_house_refuses_every_session():
    lanes = Lanes(max_running=1, max_queued=2)
    lanes.reserve(A)
    lanes.reserve(B)
    with pytest.raises(Refused, match="wait for an answer already"):
        lanes.reserve(C)
    lanes.give_up(A)
    lanes.reserve(C)


def test_a_place_given_up_can_be_had_again():
    lanes = Lanes(max_running=1, max_queued_per_session=2)
    lanes.reserve(A)
    lanes.reserve(A)
    lanes.give_up(A)
    lanes.reserve(A)
    assert lanes.depth(A) == 2


def test_a_lease_is_given_back_once():
    lanes = Lanes(max_running=1)
    put(lanes, A, "1")
    lanes.take()
    assert lanes.release(RunId("1"))
    assert not lanes.release(RunId("1"))


def test_a_waiting_turn_can_be_withdrawn_and_a_running_one_cannot():
    lanes = Lanes(max_running=1)
    put(lanes, A, "1")
    put(lanes, B, "2", "3")
    assert lanes.take() == ["1"]
    assert lanes.withdraw(B, RunId("2"))
    assert not lanes.withdraw(A, RunId("1"))
    assert lanes.withdraw(B, RunId("3"))
    assert not lanes.withdraw(B, RunId("3"))
    lanes.release(RunId("1"))
    assert lanes.take() == []
    assert lanes.queued == 0


def test_withdrawing_behind_a_running_turn_leaves_the_lane_usable():
    lanes = Lanes(max_running=1)
    put(lanes, A, "1", "2")
    lanes.take()
    assert lanes.withdraw(A, RunId("2"))
    lanes.release(RunId("1"))
    put(lanes, A, "3")
    assert lanes.take() == ["3"]


class AnyOrder(RuleBasedStateMachine):
    """Against a plain model: a queue a key, a set of running turns."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(max_running=2, max_queued=8, max_queued_per_session=3)
        self.waiting: dict[SessionKey, list[RunId]] = {A: [], B: [], C: []}
        self.running: dict[RunId, SessionKey] = {}
        self.count = 0

    @rule(key=st.sampled_from([A, B, C]))
    def submit(self, key: SessionKey) -> None:
        try:
            self.lanes.reserve(key)
        except Refused:
            assert len(self.waiting[key]) == 3 or sum(map(len, self.waiting.values())) == 8
            return
        self.count += 1
        self.lanes.enqueue(key, RunId(str(self.count)))
        self.waiting[key].append(RunId(str(self.count)))

    @rule()
    def start(self) -> None:
        for run in self.lanes.take():
            key = next(key for key, runs in self.waiting.items() if run in runs)
            assert self.waiting[key].pop(0) == run
            assert key not in self.running.values()
            self.running[run] = key

    @rule()
    def finish(self) -> None:
        if self.running:
            run, _ = self.running.popitem()
            assert self.lanes.release(run)

    @rule(key=st.sampled_from([A, B, C]))
    def withdraw(self, key: SessionKey) -> None:
        if self.waiting[key]:
            assert self.lanes.withdraw(key, self.waiting[key].pop())

    @invariant()
    def counts_agree(self) -> None:
        assert self.lanes.running == len(self.running) <= 2
        assert self.lanes.queued == sum(map(len, self.waiting.values()))

    def teardown(self) -> None:
        for run in list(self.running):
            self.lanes.release(run)
        while started := self.lanes.take():
            for run in started:
                self.lanes.release(run)
        assert (self.lanes.running, self.lanes.queued) == (0, 0)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_a_lane_is_free_if_a_turn_would_start_at_once():
    lanes = Lanes(max_running=1)
    one, other = SessionKey("agent:main:one"), SessionKey("agent:main:other")
    assert lanes.is_free(one)
    lanes.reserve(one)
    assert not lanes.is_free(one)
    assert lanes.is_free(other)
    lanes.enqueue(one, RunId("r1"))
    assert not lanes.is_free(one)
    lanes.take()
    assert not lanes.is_free(one)
    assert not lanes.is_free(other)
    lanes.release(RunId("r1"))
    assert lanes.is_free(one)
