"""How soon a crashed model process may be started again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Crashes"]

_CAP_S = 60.0


@dataclass(slots=True)
class Crashes:
    """Crashes in a row, and the time until which nothing is started.

    The first crash costs nothing, since most come from a moment without memory; then 2, 4, 8
    seconds up to a minute.
    """

    count: int = 0
    until_s: float = 0.0

    def add(self, now_s: float) -> None:
        """One more, at `now_s` of a monotonic clock."""
        self.count += 1
        pause_s = 0.0 if self.count == 1 else min(_CAP_S, 2.0 ** (self.count - 1))
        self.until_s = now_s + pause_s

    def clear(self) -> None:
        """An answer was written: all is well."""
        self.count = 0
        self.until_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next start; 0 if it may be now."""
        return max(0.0, self.until_s - now_s)
