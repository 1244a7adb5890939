"""Which models rest after a failure, and until when. Pure: the time is an argument."""

from __future__ import annotations

from carapace.agent.providers.ports import ProviderError, ProviderFault

__all__ = ["Cooling"]

_FIRST_S = {
    ProviderFault.AUTH: 300.0,
    ProviderFault.RATE_LIMIT: 30.0,
    ProviderFault.OVERLOADED: 15.0,
    ProviderFault.UNREACHABLE: 15.0,
}
_MAX_S = 900.0


class Cooling:
    """The state of one model: resting or not, on the clock's monotonic seconds.

    Each failure in a row doubles the rest, up to a quarter of an hour; a success ends it.
    What the server asked for (`Retry-After`) is kept apart: it is an order, not a guess.
    """

    __slots__ = ("_failures", "asked_until_s", "until_s")

    def __init__(self) -> None:
        self._failures = 0
        self.until_s = 0.0
        self.asked_until_s = 0.0

    def failed(self, error: ProviderError, *, now_s: float) -> None:
        """Take note of a failure; faults that are the request's own do not count."""
        first_s = _FIRST_S.get(error.fault)
        if first_s is None:
            return
        rest_s = min(_MAX_S, first_s * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        if error.retry_after_s is not None:
            rest_s = min(_MAX_S, error.retry_after_s)
            self.asked_until_s = now_s + rest_s
        self.until_s = now_s + rest_s

    def succeeded(self) -> None:
        """The model answers again."""
        self._failures = 0
        self.until_s = self.asked_until_s = 0.0

    def is_cooling(self, now_s: float) -> bool:
        """Whether another model should go first."""
        return now_s < self.until_s

    def asked_wait_s(self, now_s: float) -> float:
        """Seconds the server still wants to be left alone."""
        return max(0.0, self.asked_until_s - now_s)
