"""When a job is due: at a moment, every so often from an anchor, or by a cron expression (pure).

A slot is a moment at which a job is due, in whole milliseconds since 1970. It depends on the
schedule alone, never on when something ran, so that the same slots come out after a restart or a
jump of the clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from carapace.protocol.cron import AtSchedule, CronSchedule, EverySchedule, Schedule
from carapace.triggers.cron.expression import BadExpression, CronExpression, zone_named

__all__ = ["MIN_GAP_MS", "BadExpression", "at_ms_of", "check", "first_slot", "next_slot"]

MIN_GAP_MS: Final = 1_000
"""A job starts at most once a second, whatever its schedule says."""
_DIGITS: Final = re.compile(r"\d{1,16}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAX_MS: Final = 253_402_300_799_000  # the last second of the year 9999


def first_slot(schedule: Schedule, *, now_ms: int, anchor_ms: int) -> int | None:
    """The first slot of a job that is made or switched on at `now_ms`.

    A moment that is past already counts: such a job runs at once.

    Args:
        schedule: Of the job.
        now_ms: Now.
        anchor_ms: Where `every` counts from unless the schedule says so: the job's making.
    """
    if isinstance(schedule, AtSchedule):
        return schedule.at_ms
    return next_slot(schedule, after_ms=now_ms, anchor_ms=anchor_ms)


def next_slot(schedule: Schedule, *, after_ms: int, anchor_ms: int) -> int | None:
    """The first slot later than `after_ms`; None if there is none.

    Slots in between, as after a night without power, are not made up for one by one.
    """
    if isinstance(schedule, AtSchedule):
        return schedule.at_ms if schedule.at_ms > after_ms else None
    if isinstance(schedule, EverySchedule):
        return _next_every(schedule, after_ms, anchor_ms)
    if not 0 <= after_ms < _MAX_MS:
        return None
    moment = datetime.fromtimestamp(after_ms // 1000, UTC)
    found = _expression(schedule.expr, schedule.tz).after(moment)
    return None if found is None else round(found.timestamp()) * 1000


def check(schedule: Schedule) -> None:
    """Look whether a schedule can be followed.

    Raises:
        BadExpression: If its expression or its zone cannot be understood.
    """
    if isinstance(schedule, CronSchedule):
        _expression(schedule.expr, schedule.tz)


def at_ms_of(text: str) -> int | None:
    """A moment as people and programs write it: ISO 8601 or digits of milliseconds.

    Without a zone it is UTC, as with the Node gateway.
    """
    text = text.strip()
    if _DIGITS.fullmatch(text):
        return int(text) or None
    try:
        moment = datetime.fromisoformat(f"{text}T00:00:00" if _DATE.fullmatch(text) else text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = round(moment.timestamp() * 1000)
    return found if found >= 0 else None


def _next_every(schedule: EverySchedule, after_ms: int, anchor_ms: int) -> int:
    """Anchor plus a whole number of steps; an anchor that was chosen is a slot itself."""
    every = schedule.every_ms
    if schedule.anchor_ms is not None:
        anchor_ms = schedule.anchor_ms
        if after_ms < anchor_ms:
            return anchor_ms
    return anchor_ms + (max(0, after_ms - anchor_ms) // every + 1) * every


@lru_cache(maxsize=1_024)
def _expression(text: str, zone: str | None) -> CronExpression:
    return CronExpression(text, zone_named(zone))
