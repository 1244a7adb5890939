"""Which lane is next: due times, debounce, one worker a lane."""

from __future__ import annotations

from carapace.channels.inbox.waiting import DueLane, WaitingLanes


def add(lanes: WaitingLanes, name: str = "a", *, at: float, wait: float = 0.0, who: str = "anna"):
    lanes.add(name, sender=who, wait_s=wait, now_s=at)


def taken(lanes: WaitingLanes, at: float, limit: int = 10) -> list[str]:
    return [one.name for one in lanes.take(at, limit)]


def test_a_lane_is_taken_once_until_it_is_released():
    lanes = WaitingLanes()
    add(lanes, at=1)
    add(lanes, at=1)
    assert (lanes.rows, lanes.rows_of("a"), lanes.rows_of("b")) == (2, 2, 0)
    assert taken(lanes, 1) == ["a"]
    assert taken(lanes, 9) == []
    lanes.end("a", 1)
    lanes.release("a", now_s=9)
    assert taken(lanes, 9) == ["a"]
    assert lanes.rows == 1


def test_lanes_are_taken_in_the_order_they_are_due_and_no_more_than_asked():
    lanes = WaitingLanes()
    add(lanes, "late", at=0, wait=5)
    add(lanes, "first", at=1)
    add(lanes, "second", at=2)
    assert taken(lanes, 3, limit=1) == ["first"]
    assert taken(lanes, 3) == ["second"]
    assert lanes.next_due_s() == 5
    assert taken(lanes, 5) == ["late"]
    assert lanes.next_due_s() is None


def test_more_text_of_the_same_person_makes_the_lane_wait_longer():
    lanes = WaitingLanes()
    add(lanes, at=0, wait=2)
    add(lanes, at=1, wait=2)
    assert lanes.next_due_s() == 3
    assert taken(lanes, 2.5) == []


def test_who_never_stops_writing_is_answered_all_the_same():
    lanes = WaitingLanes()
    for at in range(100):
        add(lanes, at=float(at), wait=2)
    assert lanes.next_due_s() == 20


def test_text_of_somebody_else_does_not_make_the_first_wait_longer():
    lanes = WaitingLanes()
    add(lanes, at=0, wait=2)
    add(lanes, at=1, wait=2, who="bob")
    assert lanes.next_due_s() == 2


def test_what_does_not_wait_makes_the_lane_due_at_once():
    lanes = WaitingLanes()
    add(lanes, at=0, wait=20)
    add(lanes, at=1)
    assert taken(lanes, 1) == ["a"]


def test_text_that_comes_while_a_lane_is_worked_at_waits_for_more():
    lanes = WaitingLanes()
    add(lanes, at=0)
    assert taken(lanes, 0) == ["a"]
    add(lanes, at=1, wait=4)
    lanes.end("a", 1)
    lanes.release("a", now_s=2)
    assert lanes.next_due_s() == 5


def test_a_lane_that_failed_rests_first():
    lanes = WaitingLanes()
    add(lanes, at=0)
    assert taken(lanes, 0) == ["a"]
    lanes.release("a", now_s=1, after_s=5)
    assert taken(lanes, 5) == []
    assert taken(lanes, 6) == ["a"]


def test_a_lane_found_empty_is_forgotten_unless_a_row_came():
    lanes = WaitingLanes()
    add(lanes, at=0)
    (due,) = lanes.take(0, 1)
    add(lanes, at=1)
    lanes.drop(due, now_s=1)
    (due,) = lanes.take(1, 1)
    lanes.drop(due, now_s=2)
    assert (lanes.rows, lanes.next_due_s()) == (0, None)
    lanes.drop(DueLane("gone", 0), now_s=2)
    lanes.end("gone", 1)
    lanes.release("gone", now_s=2)
    assert lanes.rows == 0


def test_a_lane_that_looks_empty_is_looked_at_once_more_when_there_is_time():
    lanes = WaitingLanes()
    add(lanes, "a", at=0)
    assert taken(lanes, 0) == ["a"]
    lanes.end("a", 1)
    lanes.release("a", now_s=2)
    assert taken(lanes, 2.9) == []
    assert taken(lanes, 3) == ["a"]
    lanes.release("a", now_s=3)
    add(lanes, "a", at=3.1)
    assert taken(lanes, 3.1) == ["a"]


def test_loading_begins_anew_and_leaves_lanes_that_are_worked_at():
    lanes = WaitingLanes()
    add(lanes, "a", at=0)
    assert taken(lanes, 0) == ["a"]
    lanes.load([("a", 3, 0.0), ("b", 2, 4.0)])
    assert lanes.rows == 5
    assert taken(lanes, 9) == ["b"]
    lanes.release("a", now_s=9)
    assert taken(lanes, 9) == ["a"]
