"""Three kinds of time, never mixed."""

from __future__ import annotations

from datetime import UTC

from carapace.clock import Clock, SystemClock


def test_wall_time_is_aware_and_in_utc():
    assert SystemClock().now().tzinfo is UTC


def test_milliseconds_are_whole_and_agree_with_the_wall():
    clock: Clock = SystemClock()
    now_ms = clock.now_ms()
    assert type(now_ms) is int
    assert abs(clock.now().timestamp() * 1000 - now_ms) < 1000


async def test_monotonic_time_grows_while_one_sleeps():
    clock = SystemClock()
    began = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - began >= 0.009
