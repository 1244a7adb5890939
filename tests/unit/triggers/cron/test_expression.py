"""Wall-clock times become moments, also where a zone skips or repeats some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from carapace.triggers.cron.expression import BadExpression, CronExpression, zone_named


def moments(text: str, zone: str, start: str, count: int) -> list[str]:
    """The next moments as the wall shows them, with their offsets."""
    there = zone_named(zone)
    expression = CronExpression(text, there)
    moment = datetime.fromisoformat(start).replace(tzinfo=UTC)
    found: list[str] = []
    for _ in range(count):
        next_one = expression.after(moment)
        assert next_one is not None
        assert next_one > moment
        moment = next_one
        found.append(moment.astimezone(there).strftime("%m-%d %H:%M %z"))
    return found


def test_a_skipped_time_of_day_runs_when_the_gap_ends():
    assert moments("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == [
        "03-29 03:00 +0200",
        "03-30 02:30 +0200",
    ]
    assert moments("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", 2) == [
        "10-04 02:30 +1100",
        "10-05 02:15 +1100",
    ]


def test_several_skipped_times_come_to_one():
    assert moments("0,20,40 2 * * *", "America/New_York", "2026-03-08T05:00", 2) == [
        "03-08 03:00 -0400",
        "03-09 02:00 -0400",
    ]


def test_a_repeated_time_of_day_runs_at_its_first_occurrence():
    assert moments("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == [
        "10-25 02:30 +0200",
        "10-26 02:30 +0100",
    ]
    assert moments("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", 2) == [
        "04-05 01:45 +1100",
        "04-06 01:45 +1030",
    ]


def test_asked_within_the_second_pass_the_first_one_is_past():
    assert moments("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", 1) == ["10-26 02:30 +0100"]


def test_every_so_often_goes_by_time_that_passes():
    assert moments("*/30 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00", 4) == [
        "04-05 01:30 +1100",
        "04-05 01:30 +1030",
        "04-05 02:00 +1030",
        "04-05 02:30 +1030",
    ]
    assert moments("*/30 2 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", 2) == [
        "04-05 02:00 +1030",
        "04-05 02:30 +1030",
    ]
    assert moments("30 * * * *", "Europe/Berlin", "2026-03-29T00:00", 3) == [
        "03-29 01:30 +0100",
        "03-29 03:30 +0200",
        "03-29 04:30 +0200",
    ]


def test_a_match_far_away_is_found_behind_several_changes():
    assert moments("0 * 29 2 *", "Europe/Berlin", "2026-06-01T00:00", 1) == ["02-29 00:00 +0100"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@daily", "2026-03-02T00:00:00+00:00"),
        ("@Hourly", "2026-03-01T13:00:00+00:00"),
        ("*/10 * * * * *", "2026-03-01T12:00:10+00:00"),
        ("0 0 ? * MON", "2026-03-02T00:00:00+00:00"),
        ("0 0 L * *", "2026-03-31T00:00:00+00:00"),
        ("0 12 * * 7", "2026-03-08T12:00:00+00:00"),
    ],
)
def test_forms_that_clients_use(text: str, expected: str):
    moment = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    found = CronExpression(text, UTC).after(moment)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "nope", "* * * *", "* * * * * * *", "61 * * * *", "a b c d e"]
)
def test_what_cannot_be_understood_is_refused(text: str):
    with pytest.raises(BadExpression, match="CronPattern"):
        CronExpression(text, UTC)


def test_a_day_that_never_comes_is_refused():
    with pytest.raises(BadExpression):
        CronExpression("0 0 30 2 *", UTC)


def test_a_zone_is_named_or_utc():
    assert zone_named(None) is UTC
    assert zone_named("") is UTC
    for name in ("Mars/Olympus", "../etc/passwd", "a\0b"):
        with pytest.raises(BadExpression, match="time zone"):
            zone_named(name)


def test_beyond_the_calendar_there_is_nothing():
    end = datetime(9999, 12, 31, 23, 0, tzinfo=UTC)
    assert CronExpression("0 0 1 1 *", UTC).after(end) is None
    assert CronExpression("* * * * *", UTC).after(end + timedelta(minutes=59)) is None
