"""Losses of a worker cost growing pauses, then a quarantine that ends on probation."""

from __future__ import annotations

import pytest

from carapace.plugins.host.crashes import CrashHistory, CrashRules, Quarantine, Restart

RULES = CrashRules(
    max_crashes=4, window_s=100.0, base_delay_s=1.0, max_delay_s=3.0, quarantine_s=50.0
)


def test_the_first_loss_is_forgiven_at_once_and_the_next_cost_growing_pauses():
    history = CrashHistory(RULES)
    assert [history.crashed(0.0) for _ in range(3)] == [Restart(0.0), Restart(1.0), Restart(3.0)]


def test_too_many_in_the_window_begin_a_quarantine_that_says_how_many_there_were():
    history = CrashHistory(RULES)
    for at_s in (0.0, 1.0, 2.0):
        assert isinstance(history.crashed(at_s), Restart)
    assert history.crashed(3.0) == Quarantine(50.0, 4)


def test_losses_that_are_older_than_the_window_do_not_count():
    history = CrashHistory(RULES)
    for at_s in (0.0, 1.0, 2.0):
        history.crashed(at_s)
    assert history.crashed(102.0) == Restart(0.0)


def test_a_loss_on_probation_doubles_the_quarantine():
    history = CrashHistory(RULES)
    for at_s in (0.0, 1.0, 2.0, 3.0):
        last = history.crashed(at_s)
    assert last == Quarantine(50.0, 4)
    assert history.crashed(60.0) == Quarantine(100.0, 5)
    assert history.crashed(240.0) == Quarantine(200.0, 1)


def test_a_probation_that_was_passed_makes_the_next_quarantine_short_again():
    history = CrashHistory(RULES)
    for at_s in (0.0, 1.0, 2.0, 3.0):
        history.crashed(at_s)
    assert history.crashed(153.0) == Restart(0.0)
    for at_s in (154.0, 155.0):
        history.crashed(at_s)
    assert history.crashed(156.0) == Quarantine(50.0, 4)


def test_no_quarantine_is_longer_than_the_longest():
    history = CrashHistory(CrashRules(max_crashes=1, quarantine_s=600.0, max_quarantine_s=3_600.0))
    found = [history.crashed(float(at_s)) for at_s in range(100)]
    assert [one.for_s for one in found[:4] if isinstance(one, Quarantine)] == [
        *(600.0, 1_200.0, 2_400.0, 3_600.0)
    ]
    assert found[-1] == Quarantine(3_600.0, 100)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_five_losses_in_ten_minutes_are_the_house_rule(count: int):
    history = CrashHistory(CrashRules())
    found = [history.crashed(count * 30.0 * n) for n in range(5)]
    assert [isinstance(one, Restart) for one in found] == [True, True, True, True, False]
