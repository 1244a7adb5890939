"""Slots follow from the schedule alone."""

from __future__ import annotations

import pytest

from carapace.protocol.cron import AtSchedule, CronSchedule, EverySchedule
from carapace.triggers.cron.schedule import BadExpression, at_ms_of, check, first_slot, next_slot


def test_a_moment_is_one_slot_even_if_it_is_past():
    at = AtSchedule(1_000)
    assert first_slot(at, now_ms=5_000, anchor_ms=0) == 1_000
    assert next_slot(at, after_ms=999, anchor_ms=0) == 1_000
    assert next_slot(at, after_ms=1_000, anchor_ms=0) is None


def test_steps_are_counted_from_when_the_job_was_made():
    every = EverySchedule(1_000)
    assert first_slot(every, now_ms=500, anchor_ms=500) == 1_500
    assert next_slot(every, after_ms=1_500, anchor_ms=500) == 2_500
    assert next_slot(every, after_ms=10_499, anchor_ms=500) == 10_500
    # A clock that went back behind the making.
    assert next_slot(every, after_ms=100, anchor_ms=500) == 1_500


def test_an_anchor_that_was_chosen_is_a_slot_itself():
    every = EverySchedule(1_000, 5_250)
    assert next_slot(every, after_ms=0, anchor_ms=0) == 5_250
    assert next_slot(every, after_ms=5_250, anchor_ms=0) == 6_250
    assert next_slot(every, after_ms=6_249, anchor_ms=0) == 6_250


def test_an_expression_is_followed_in_its_zone():
    cron = CronSchedule("0 5 * * *", "UTC")
    assert next_slot(cron, after_ms=1_795_370_470_033, anchor_ms=0) == 1_795_410_000_000
    assert next_slot(cron, after_ms=-1, anchor_ms=0) is None
    check(cron)
    check(EverySchedule(1))
    with pytest.raises(BadExpression):
        check(CronSchedule("0 5 * * *", "Nowhere/City"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00Z", 1_893_456_000_000),
        ("2030-01-01T00:00:00", 1_893_456_000_000),
        ("2030-01-01", 1_893_456_000_000),
        ("2030-01-01T01:00:00+01:00", 1_893_456_000_000),
        (" 1893456000000 ", 1_893_456_000_000),
        ("0", None),
        ("1960-01-01", None),
        ("tomorrow", None),
        ("", None),
    ],
)
def test_moments_are_written_in_several_ways(text: str, expected: int | None):
    assert at_ms_of(text) == expected
