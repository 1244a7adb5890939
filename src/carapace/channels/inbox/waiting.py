"""Which lanes of the inbox have work that is due: a machine without I/O.

It holds a few numbers for each lane with unfinished rows, so that taking the next work costs
the same with ten rows waiting and with a hundred thousand, and so that nobody has to poll. A
lane is worked at by one at a time. Times are monotonic seconds: a jump of the wall clock neither
holds a message back nor hurries it.

Debounce: while text of one person keeps coming, the lane waits a little longer each time, up to
ten times the wait since the first of it. Anything else that comes makes the lane due at once,
so that order holds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from carapace.value import Value

__all__ = ["DueLane", "WaitingLanes"]

_LONGEST: Final = 10
_SECOND_LOOK_S: Final = 1.0


class DueLane(Value, frozen=True):
    """A lane to work at, and how many rows had come to it by then."""

    name: str
    came: int


@dataclass(slots=True)
class _Lane:
    rows: int = 0
    came: int = 0
    due_s: float = 0.0
    first_s: float = 0.0
    sender: str | None = None
    is_working: bool = False


class WaitingLanes:
    """Counts rows by lane and says which lane is next."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._number = 0
        self._rows = 0

    @property
    def rows(self) -> int:
        """All rows that have not ended."""
        return self._rows

    def rows_of(self, lane: str) -> int:
        """Rows of one lane that have not ended."""
        found = self._lanes.get(lane)
        return found.rows if found else 0

    def load(self, lanes: Iterable[tuple[str, int, float]]) -> None:
        """Begin anew with lanes, their numbers of rows and when they are due.

        Lanes that are being worked at stay so.
        """
        working = {name for name, lane in self._lanes.items() if lane.is_working}
        self._lanes.clear()
        self._heap.clear()
        self._rows = 0
        for name, rows, due_s in lanes:
            lane = _Lane(rows, 0, due_s, due_s, is_working=name in working)
            self._lanes[name] = lane
            self._rows += rows
            self._push(name, lane)

    def add(self, name: str, *, sender: str, wait_s: float, now_s: float) -> None:
        """A row came in.

        Args:
            name: Its lane.
            sender: Who wrote it.
            wait_s: How long to wait for more of the same person; 0 makes the lane due.
            now_s: Now.
        """
        lane = self._lanes.setdefault(name, _Lane())
        was_idle = lane.rows == 0 and not lane.is_working
        lane.rows += 1
        lane.came += 1
        self._rows += 1
        if was_idle:
            lane.first_s, lane.due_s = now_s, now_s + wait_s
        elif wait_s <= 0:
            lane.due_s = now_s
        elif lane.due_s > now_s:
            limit_s = lane.first_s + _LONGEST * wait_s
            longer_s = max(lane.due_s, min(now_s + wait_s, limit_s))
            lane.due_s = longer_s if lane.sender == sender else lane.due_s
        elif lane.is_working and lane.sender is None:
            lane.first_s, lane.due_s = now_s, now_s + wait_s
        lane.sender = sender
        self._push(name, lane)

    def take(self, now_s: float, limit: int) -> list[DueLane]:
        """Up to `limit` due lanes, from now on worked at; the longest due first."""
        found: list[DueLane] = []
        while self._heap and len(found) < limit and self._heap[0][0] <= now_s:
            due_s, _, name = heapq.heappop(self._heap)
            lane = self._lanes.get(name)
            if lane is None or lane.is_working or lane.due_s != due_s:
                continue
            lane.is_working = True
            lane.sender = None
            found.append(DueLane(name, lane.came))
        return found

    def next_due_s(self) -> float | None:
        """When the next lane is due; None if none waits."""
        while self._heap:
            due_s, _, name = self._heap[0]
            lane = self._lanes.get(name)
            if lane is not None and not lane.is_working and lane.due_s == due_s:
                return due_s
            heapq.heappop(self._heap)
        return None

    def end(self, name: str, rows: int) -> None:
        """Rows of a lane ended, whoever worked at it."""
        lane = self._lanes.get(name)
        if lane is not None:
            ended = min(rows, lane.rows)
            lane.rows -= ended
            self._rows -= ended

    def release(self, name: str, *, now_s: float, after_s: float = 0.0) -> None:
        """Nobody works at the lane any more; what may be left of it is due after `after_s`.

        A lane that looks empty is taken once more all the same, when there is time: the numbers
        here are a guide, the rows on disk decide.
        """
        lane = self._lanes.get(name)
        if lane is not None:
            lane.is_working = False
            rest_s = after_s if lane.rows else max(after_s, _SECOND_LOOK_S)
            lane.due_s = now_s + rest_s if rest_s else max(now_s, lane.due_s)
            self._push(name, lane)

    def drop(self, due: DueLane, *, now_s: float) -> None:
        """Nothing was found on disk for a lane that was taken: forget it, unless a row came."""
        lane = self._lanes.get(due.name)
        if lane is None:
            return
        if lane.came != due.came:
            self.release(due.name, now_s=now_s)
            return
        self._rows -= lane.rows
        del self._lanes[due.name]

    def _push(self, name: str, lane: _Lane) -> None:
        if not lane.is_working:
            self._number += 1
            heapq.heappush(self._heap, (lane.due_s, self._number, name))
