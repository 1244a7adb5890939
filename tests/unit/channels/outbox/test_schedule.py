"""Caps, turns, and a clock that is watched."""

from __future__ import annotations

from carapace.channels.outbox.claims import Grant
from carapace.channels.outbox.records import find
from carapace.channels.outbox.schedule import ClockWatch, Schedule
from carapace.channels.outbox.types import AccountKey, OutboxRow
from support.outbox import memory_tx, put


def rows(count: int, account: str = "a") -> list[OutboxRow]:
    tx = memory_tx()
    found = [find(tx, put(tx, f"k{n}", f"c{n}", account=account)) for n in range(count)]
    return [row for row in found if row is not None]


def ready(key: AccountKey) -> bool:
    return True


def limits(schedule: Schedule) -> dict[str, int]:
    return {grant.key[1]: grant.limit for grant in schedule.round(ready).grants}


def test_an_account_that_nobody_named_gets_nothing():
    assert Schedule(max_per_account=8, max_total=64).round(ready).grants == ()


def test_news_is_told_from_what_is_known():
    schedule = Schedule(max_per_account=8, max_total=64)
    assert schedule.learn([("recording", "a")])
    assert not schedule.learn([("recording", "a")])
    assert schedule.round(ready).grants == (Grant(key=("recording", "a"), limit=8),)


def test_what_is_in_flight_counts_against_the_account():
    schedule = Schedule(max_per_account=3, max_total=64)
    schedule.learn([("recording", "a"), ("recording", "b")])
    for row in rows(2):
        schedule.begin(row)
    assert limits(schedule) == {"a": 1, "b": 3}
    assert len(schedule.in_flight) == 2


def test_an_answer_frees_the_place_before_it_is_on_disk():
    schedule = Schedule(max_per_account=1, max_total=64)
    schedule.learn([("recording", "a")])
    [row] = rows(1)
    schedule.begin(row)
    assert limits(schedule) == {}
    schedule.answered(row)
    assert limits(schedule) == {"a": 1}
    assert schedule.in_flight == {(row.outbox_id, row.fence)}
    schedule.end(row)
    assert schedule.in_flight == frozenset()


def test_all_together_stay_under_the_total_and_take_turns():
    schedule = Schedule(max_per_account=3, max_total=4)
    schedule.learn([("recording", "a"), ("recording", "b"), ("recording", "c")])
    assert limits(schedule) == {"a": 3, "b": 1}
    assert limits(schedule) == {"b": 3, "c": 1}
    assert limits(schedule) == {"c": 3, "a": 1}


def test_an_account_in_trouble_is_blocked_and_gets_nothing():
    schedule = Schedule(max_per_account=3, max_total=4)
    schedule.learn([("recording", "a"), ("recording", "b")])
    found = schedule.round(lambda key: key[1] == "b")
    assert found.blocked == (("recording", "a"),)
    assert [grant.key[1] for grant in found.grants] == ["b"]


def test_what_is_known_is_bounded_and_busy_accounts_stay():
    schedule = Schedule(max_per_account=3, max_total=10_000)
    [row] = rows(1, "busy")
    schedule.learn([row.account_key])
    schedule.begin(row)
    for number in range(1_200):
        schedule.learn([("recording", f"n{number}")])
    assert "busy" in limits(schedule)
    assert len(limits(schedule)) <= 1_024


def test_a_thousand_accounts_with_work_are_news_once():
    schedule = Schedule(max_per_account=3, max_total=10_000)
    old = [("recording", f"old{number}") for number in range(500)]
    named = [("recording", f"n{number}") for number in range(1_000)]
    schedule.learn(old)
    assert schedule.learn(named)
    assert not schedule.learn(named)


def test_a_clock_that_goes_on_is_left_alone():
    watch = ClockWatch()
    assert not watch.turned_back(1_000_000, 5.0)
    assert not watch.turned_back(1_010_000, 15.0)
    assert not watch.turned_back(9_000_000, 16.0)


def test_a_clock_set_back_is_noticed_once():
    watch = ClockWatch()
    watch.turned_back(1_000_000, 5.0)
    assert watch.turned_back(990_000, 6.0)
    assert not watch.turned_back(991_000, 7.0)


def test_a_clock_that_is_slewed_is_left_alone():
    watch = ClockWatch()
    watch.turned_back(1_000_000, 5.0)
    assert not watch.turned_back(1_000_500, 6.0)


def test_a_place_that_is_held_counts_like_a_row():
    schedule = Schedule(max_per_account=2, max_total=3)
    schedule.learn([("recording", "a"), ("recording", "b")])
    assert [schedule.reserve(("recording", "a")) for _ in range(3)] == [True, True, False]
    assert limits(schedule) == {"b": 1}
    assert schedule.reserve(("recording", "b"))
    assert not schedule.reserve(("recording", "c"))
    schedule.give_back(("recording", "a"))
    assert schedule.reserve(("recording", "c"))
    assert schedule.in_flight == frozenset()
