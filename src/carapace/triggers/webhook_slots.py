"""How many bodies are read at once for senders that have proven nothing; who gives way.

The slots are anybody's as long as there are any. When all are taken, a newcomer gets the place
of whoever has held one longest among those of the address that holds the most. A sender that
drips its body therefore loses its place to the next request, and one that sends its body at
once, as every honest one does, is through before its turn to give way comes: junk can fill the
slots and cannot keep them (advisory D08).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["Slot", "Slots"]


@dataclass(slots=True, eq=False)
class Slot:
    """A place among those whose body is being read.

    Attributes:
        group: Whom it counts for: owner and address.
        deadline: Ends the reading; moved to now when the place is taken away.
        is_cut: The place was given to somebody else.
    """

    group: str
    deadline: asyncio.Timeout
    is_cut: bool = False

    def cut(self) -> None:
        """Give the place away: the reading ends at once, as if its time were over."""
        self.is_cut = True
        self.deadline.reschedule(asyncio.get_running_loop().time())


class Slots:
    """At most `size` bodies at once; there is always room for one more request."""

    __slots__ = ("_groups", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        # Insertion order is age, in each group and of the groups' oldest members.
        self._groups: dict[str, dict[Slot, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def enter(self, group: str, deadline: asyncio.Timeout) -> Slot:
        """Take a place, somebody else's if need be; give it back with `leave`."""
        if len(self) >= self._size:
            heaviest = max(self._groups.values(), key=len)
            oldest = next(iter(heaviest))
            oldest.cut()
            self.leave(oldest)
        slot = Slot(group, deadline)
        self._groups.setdefault(group, {})[slot] = None
        return slot

    def leave(self, slot: Slot) -> None:
        """Give the place back; a place that was taken away is gone already."""
        members = self._groups.get(slot.group)
        if members is not None:
            members.pop(slot, None)
            if not members:
                del self._groups[slot.group]
