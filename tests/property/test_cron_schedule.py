"""Slots against brute force: each minute of some days, looked at through the wall of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carapace.protocol.cron import CronSchedule, EverySchedule
from carapace.triggers.cron.expression import CronExpression
from carapace.triggers.cron.schedule import next_slot

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
CHANGES = {
    "Europe/Berlin": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "Australia/Lord_Howe": ("2026-04-04", "2026-10-03"),
    "UTC": ("2026-01-01", "2026-02-27"),
}
MINUTE = timedelta(minutes=1)
minutes = st.sets(st.integers(0, 59), min_size=1, max_size=4)
hours = st.sets(st.integers(0, 4), min_size=1, max_size=3)


def listed(values: set[int]) -> str:
    return ",".join(map(str, sorted(values)))


def moments(start: datetime, days: int) -> list[datetime]:
    return [start + MINUTE * n for n in range(days * 24 * 60)]


def slots(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    expression = CronExpression(text, ZoneInfo(zone))
    found: list[datetime] = []
    moment: datetime | None = start - MINUTE
    while (moment := expression.after(moment)) is not None and moment < end:
        found.append(moment)
    return found


def of_day(zone: str, start: datetime, days: int, wall: set[tuple[int, int]]) -> list[datetime]:
    """Each wall time once a day: at its first occurrence, or at the first moment behind it."""
    there = ZoneInfo(zone)
    found: set[datetime] = set()
    every = moments(start - timedelta(days=1), days + 2)
    walls = [(moment, moment.astimezone(there).replace(tzinfo=None)) for moment in every]
    for day in {shown.date() for _, shown in walls}:
        of_this_day = [(moment, shown) for moment, shown in walls if shown.date() == day]
        for hour, minute in wall:
            wanted = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a wall-clock time
            behind = [moment for moment, shown in of_this_day if shown >= wanted]
            if behind:
                found.add(behind[0])
    return sorted(moment for moment in found if start <= moment < start + timedelta(days=days))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(zone=st.sampled_from(ZONES), which=st.integers(0, 1), minute=minutes, hour=hours)
def test_times_of_day_come_once_each(zone: str, which: int, minute: set[int], hour: set[int]):
    start = datetime.fromisoformat(CHANGES[zone][which]).replace(tzinfo=UTC)
    text = f"{listed(minute)} {listed(hour)} * * *"
    wall = {(one, other) for one in hour for other in minute}
    end = start + timedelta(days=2)
    assert slots(text, zone, start, end) == of_day(zone, start, 2, wall)


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), which=st.integers(0, 1), minute=minutes)
def test_every_so_often_is_each_moment_that_fits(zone: str, which: int, minute: set[int]):
    start = datetime.fromisoformat(CHANGES[zone][which]).replace(tzinfo=UTC)
    there = ZoneInfo(zone)
    expected = [moment for moment in moments(start, 2) if moment.astimezone(there).minute in minute]
    assert slots(f"{listed(minute)} * * * *", zone, start, start + timedelta(days=2)) == expected


@given(
    every=st.integers(1, 10**9),
    anchor=st.none() | st.integers(0, 10**12),
    made=st.integers(0, 10**12),
    after=st.integers(0, 10**13),
)
def test_steps_lie_on_their_anchor_and_the_next_is_the_nearest(
    every: int, anchor: int | None, made: int, after: int
):
    found = next_slot(EverySchedule(every, anchor), after_ms=after, anchor_ms=made)
    assert found is not None
    assert found > after
    base = made if anchor is None else anchor
    assert (found - base) % every == 0
    assert found - every <= after or found in (base, base + every)


@given(after=st.integers(0, 4 * 10**12), zone=st.sampled_from(ZONES))
def test_the_slot_after_a_slot_is_later(after: int, zone: str):
    schedule = CronSchedule("*/7 3 * * *", zone)
    first = next_slot(schedule, after_ms=after, anchor_ms=0)
    assert first is not None
    assert first > after
    # Nothing lies between: asked a moment before it, the same slot comes.
    assert next_slot(schedule, after_ms=first - 1, anchor_ms=0) == first
    second = next_slot(schedule, after_ms=first, anchor_ms=0)
    assert second is not None
    assert second > first
