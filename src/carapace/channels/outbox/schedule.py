"""Who may send how much now: caps, turns between accounts, a watch on the clock. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from carapace.channels.outbox.claims import Grant, Hold
from carapace.channels.outbox.types import AccountKey, OutboxRow
from carapace.value import Value

__all__ = ["ClockWatch", "Round", "Schedule"]

_MAX_KNOWN: Final = 1_024
_BACKWARDS_S: Final = 1.0


class Round(Value, frozen=True, kw_only=True):
    """One look at all accounts.

    Attributes:
        grants: Who may take how many.
        blocked: Who has work, as far as we know, and cannot send.
    """

    grants: tuple[Grant, ...]
    blocked: tuple[AccountKey, ...]


class Schedule:
    """What is in flight, and which accounts are known to have work.

    Args:
        max_per_account: Rows in flight of one account.
        max_total: Rows in flight of all.
    """

    def __init__(self, *, max_per_account: int, max_total: int) -> None:
        self._max_per_account = max_per_account
        self._max_total = max_total
        self._known: dict[AccountKey, None] = {}
        self._in_flight: set[Hold] = set()
        self._load: Counter[AccountKey] = Counter()

    @property
    def in_flight(self) -> frozenset[Hold]:
        """The rows that are with a channel, or whose result is not on disk yet."""
        return frozenset(self._in_flight)

    def learn(self, keys: Iterable[AccountKey]) -> bool:
        """These accounts have work; whether one of them is news."""
        named = dict.fromkeys(keys)
        fresh = [key for key in named if key not in self._known]
        if len(self._known) + len(fresh) > _MAX_KNOWN:
            # What else still has work is named again by the next step.
            self._known = {key: None for key in self._known if key in named or self._load[key]}
        self._known.update(dict.fromkeys(fresh))
        return bool(fresh)

    def reserve(self, key: AccountKey) -> bool:
        """Hold a place for a row that is being written; False if all are taken."""
        is_free = self._load[key] < self._max_per_account and self._load.total() < self._max_total
        if is_free:
            self._load[key] += 1
        return is_free

    def give_back(self, key: AccountKey) -> None:
        """A place from `reserve` is free again."""
        self._unload(key)

    def begin(self, row: OutboxRow) -> None:
        """`row` goes to its channel."""
        self._in_flight.add((row.outbox_id, row.fence))
        self._load[row.account_key] += 1

    def answered(self, row: OutboxRow) -> None:
        """The channel is done with `row`; its result has still to be written."""
        self._unload(row.account_key)

    def end(self, row: OutboxRow) -> None:
        """What became of the row is on disk."""
        self._in_flight.discard((row.outbox_id, row.fence))

    def _unload(self, key: AccountKey) -> None:
        self._load[key] -= 1
        if not self._load[key]:
            del self._load[key]

    def round(self, is_ready: Callable[[AccountKey], bool]) -> Round:
        """Share what is free; whoever was first this time is last the next."""
        free = self._max_total - self._load.total()
        grants: list[Grant] = []
        blocked: list[AccountKey] = []
        for key in self._known:
            if not is_ready(key):
                blocked.append(key)
                continue
            limit = min(self._max_per_account - self._load[key], free)
            if limit > 0:
                grants.append(Grant(key=key, limit=limit))
                free -= limit
        if self._known:
            first = next(iter(self._known))
            del self._known[first]
            self._known[first] = None
        return Round(grants=tuple(grants), blocked=tuple(blocked))


class ClockWatch:
    """Notices that the wall clock went backwards, by a clock that only grows."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def turned_back(self, now_ms: int, monotonic_s: float) -> bool:
        """Whether wall time has lost more than a second since the last look."""
        offset_s = now_ms / 1000 - monotonic_s
        before_s, self._offset_s = self._offset_s, offset_s
        return before_s is not None and offset_s < before_s - _BACKWARDS_S
