"""The audit lines about people who were refused: few, however many messages they send.

One line for a sender within a minute, and a bounded number for all of them: strangers must not
be able to fill the trail.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from carapace.channels.types import InboundMessage

__all__ = ["Refusals"]

_EACH_MS: Final = 60_000
_MAX_EACH_MINUTE: Final = 60
_MAX_SENDERS: Final = 4_096


class Refusals:
    """Says which refusals are worth a line; a pure machine."""

    __slots__ = ("_recent", "_senders", "_untold")

    def __init__(self) -> None:
        self._senders: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._recent: deque[int] = deque()
        self._untold = 0

    def tell(self, message: InboundMessage, *, now_ms: int) -> int | None:
        """Whether to write a line: None for no, else how many were left out since the last."""
        who = (message.channel, message.account, message.sender.id)
        while self._recent and self._recent[0] <= now_ms - _EACH_MS:
            self._recent.popleft()
        last_ms = self._senders.get(who)
        is_repeat = last_ms is not None and now_ms - last_ms < _EACH_MS
        if is_repeat or len(self._recent) >= _MAX_EACH_MINUTE:
            self._untold += 1
            return None
        self._senders[who] = now_ms
        self._senders.move_to_end(who)
        if len(self._senders) > _MAX_SENDERS:
            self._senders.popitem(last=False)
        self._recent.append(now_ms)
        untold, self._untold = self._untold, 0
        return untold
