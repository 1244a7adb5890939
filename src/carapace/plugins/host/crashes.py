"""What follows from a lost worker: when the next one may start; pure, time is an argument.

The first loss is forgiven at once, the next ones cost a growing pause, and too many within the
window put the plugin in quarantine. A quarantine ends by itself, on probation: one more loss
soon after it begins the next, twice as long.
"""

from __future__ import annotations

from collections import deque

from carapace.value import Value

__all__ = ["CrashHistory", "CrashRules", "Quarantine", "Restart"]


class CrashRules(Value, frozen=True, kw_only=True):
    """How much is put up with.

    Attributes:
        max_crashes: Within the window; the last of them begins a quarantine.
        window_s: How long a loss counts.
        base_delay_s: Pause after the second loss; it grows fourfold with each further one.
        max_delay_s: Longest pause.
        quarantine_s: The first quarantine.
        max_quarantine_s: The longest.
    """

    max_crashes: int = 5
    window_s: float = 600.0
    base_delay_s: float = 0.25
    max_delay_s: float = 30.0
    quarantine_s: float = 600.0
    max_quarantine_s: float = 86_400.0


class Restart(Value, frozen=True):
    """Start a new worker after `delay_s`."""

    delay_s: float


class Quarantine(Value, frozen=True):
    """Start none for `for_s`; `crashes` were counted in the window."""

    for_s: float
    crashes: int


class CrashHistory:
    """The losses of one plugin."""

    __slots__ = ("_crashes", "_probation_until_s", "_quarantines", "_rules")

    def __init__(self, rules: CrashRules) -> None:
        self._rules = rules
        self._crashes: deque[float] = deque()
        self._quarantines = 0
        self._probation_until_s = float("-inf")

    def crashed(self, now_s: float) -> Restart | Quarantine:
        """A worker was lost just now."""
        rules = self._rules
        while self._crashes and self._crashes[0] <= now_s - rules.window_s:
            self._crashes.popleft()
        self._crashes.append(now_s)
        count = len(self._crashes)
        if now_s >= self._probation_until_s:
            self._quarantines = 0
            if count < rules.max_crashes:
                return Restart(self._delay_s(count))
        for_s = min(rules.max_quarantine_s, rules.quarantine_s * 2**self._quarantines)
        # Bounded: the exponent must not grow while the pause no longer does.
        self._quarantines = min(self._quarantines + 1, 32)
        self._probation_until_s = now_s + for_s + rules.window_s
        return Quarantine(for_s, count)

    def _delay_s(self, count: int) -> float:
        if count == 1:
            return 0.0
        return min(self._rules.max_delay_s, self._rules.base_delay_s * 4.0 ** (count - 2))
