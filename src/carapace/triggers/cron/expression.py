"""Cron expressions in a time zone: the first moment after another one (pure).

`cronsim` says which wall-clock times fit an expression; what those mean where a zone skips or
repeats an hour is decided here, since its own rules lose minutes where the shift is not a whole
hour. There are two kinds of expressions, told apart as Debian's cron does:

- **At a time of day** (neither minute nor hour begins with `*`): once for each such time on the
  wall. A time that is skipped runs when the skipping ends; one that is repeated runs at its first
  occurrence only.
- **Every so often** (`*` in minute or hour, or with seconds): by time that passes. Skipped times
  are none, repeated ones count twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

__all__ = ["BadExpression", "CronExpression", "zone_named"]

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)
_LOOK: Final = timedelta(days=2)
_NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = (5, 6)
_ANCHOR: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall-clock time, to try expressions on


class BadExpression(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """An expression or a zone that cannot be understood; the text says why."""


@lru_cache(maxsize=256)
def zone_named(name: str | None) -> tzinfo:
    """The IANA zone of that name; UTC for none.

    Raises:
        BadExpression: If there is no such zone.
    """
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadExpression(f"Invalid time zone specified: {name[:64]}") from None


class CronExpression:
    """One expression in one zone.

    Args:
        text: Five fields, six with seconds in front, or a nickname such as `@daily`.
        zone: Where the wall clock hangs.

    Raises:
        BadExpression: If it cannot be understood, or no day ever fits it.
    """

    __slots__ = ("_is_of_day", "_text", "_zone")

    def __init__(self, text: str, zone: tzinfo) -> None:
        plain = _NICKNAMES.get(text.strip().lower(), text)
        fields = plain.split()
        if len(fields) not in _FIELDS:
            raise BadExpression(
                f"CronPattern: invalid configuration format ('{text[:100]}'), exactly five or "
                "six space separated parts are required."
            )
        # `?` says "whatever" in the fields of days, as in Quartz and croner.
        fields[-3] = fields[-3].replace("?", "*")
        fields[-1] = fields[-1].replace("?", "*")
        self._text = " ".join(fields)
        self._zone = zone
        minute, hour = fields[-5], fields[-4]
        is_short = len(fields) == _FIELDS[0]
        self._is_of_day = is_short and not (minute.startswith("*") or hour.startswith("*"))
        try:
            first = self._wall_after(_ANCHOR)
        except CronSimError as error:
            raise BadExpression(f"CronPattern: {error} ('{text[:100]}')") from None
        if first is None:
            raise BadExpression(f"CronPattern: no date ever fits '{text[:100]}'")

    def after(self, moment: datetime) -> datetime | None:
        """The first fitting moment later than `moment`, both aware; None if there is none.

        Results are UTC and whole seconds; years beyond those the calendar has are none.
        """
        start = moment.astimezone(UTC).replace(microsecond=0)
        try:
            return self._of_day(start) if self._is_of_day else self._passing(start)
        except (OverflowError, ValueError):  # beyond the year 9999
            return None

    def _of_day(self, start: datetime) -> datetime | None:
        """By the wall: what is skipped comes at the end of the gap, what repeats comes once."""
        wall = start.astimezone(self._zone).replace(tzinfo=None)
        while (found := self._wall_after(wall)) is not None:
            wall = found
            moment = self._first_at(wall)
            # In the second pass of a repeated hour, times of the first one are past.
            if moment > start:
                return moment
        return None

    def _passing(self, moment: datetime) -> datetime | None:
        """By time that passes: within one offset the wall runs evenly, so go from one to the next.

        A match that is far away is approached to a day before it: what may lie in between are
        shifts of less than that, which neither hide nor make an earlier match.
        """
        while True:
            offset = self._offset(moment + _SECOND)
            wall = self._wall_after((moment + offset).replace(tzinfo=None))
            if wall is None:
                return None
            found = (wall - offset).replace(tzinfo=UTC)
            if found > moment + _LOOK:
                moment = found - _DAY
                continue
            change = self._change(moment + _SECOND, found)
            if change is None:
                return found
            moment = change - _SECOND

    def _wall_after(self, wall: datetime) -> datetime | None:
        return next(CronSim(self._text, wall), None)

    def _offset(self, moment: datetime) -> timedelta:
        found = moment.astimezone(self._zone).utcoffset()
        return found if found is not None else timedelta()

    def _first_at(self, wall: datetime) -> datetime:
        """When the wall first shows `wall`, or the end of the gap that skips it."""
        moment = wall.replace(tzinfo=self._zone).astimezone(UTC)
        if moment.astimezone(self._zone).replace(tzinfo=None) == wall:
            return moment
        # With the offset of before, a skipped time is read as one behind the gap.
        change = self._change(moment - _DAY, moment)
        return moment if change is None else change

    def _change(self, start: datetime, end: datetime) -> datetime | None:
        """When the offset changes in (start, end]; at most two days apart, so once at most."""
        before = self._offset(start)
        if self._offset(end) == before:
            return None
        low, high = start, end
        while high - low > _SECOND:
            middle = (low + (high - low) / 2).replace(microsecond=0)
            if self._offset(middle) == before:
                low = middle
            else:
                high = middle
        return high
