from __future__ import annotations

from carapace.agent.providers.local_backoff import Crashes


def test_the_first_crash_is_free_and_then_the_pause_doubles_up_to_a_minute():
    crashes = Crashes()
    pauses = []
    for _ in range(9):
        crashes.add(100.0)
        pauses.append(crashes.wait_s(100.0))
    assert pauses == [0, 2, 4, 8, 16, 32, 60, 60, 60]
    assert crashes.wait_s(130.0) == 30
    assert crashes.wait_s(500.0) == 0


def test_success_forgets():
    crashes = Crashes()
    crashes.add(1.0)
    crashes.add(1.0)
    crashes.clear()
    assert (crashes.count, crashes.wait_s(1.0)) == (0, 0)
