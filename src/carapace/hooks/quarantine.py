"""When a handler that keeps failing is left out, and when it is tried again. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_FAILURES", "REST_S", "Quarantine"]

MAX_FAILURES: Final = 5
REST_S: Final = 300.0


class Quarantine:
    """The record of one handler.

    After `max_failures` in a row it rests for `rest_s`; then one more failure is enough.

    Args:
        max_failures: In a row.
        rest_s: How long it is left out.
    """

    __slots__ = ("_max_failures", "_rest_s", "_until_s", "failures")

    def __init__(self, *, max_failures: int = MAX_FAILURES, rest_s: float = REST_S) -> None:
        self._max_failures = max_failures
        self._rest_s = rest_s
        self._until_s: float | None = None
        self.failures = 0

    def is_resting(self, now_s: float) -> bool:
        """Whether it is left out now; `now_s` is monotonic."""
        return self._until_s is not None and now_s < self._until_s

    def failed(self, now_s: float) -> bool:
        """Note a failure; whether its rest begins with it."""
        self.failures += 1
        if self.failures < self._max_failures:
            return False
        self._until_s = now_s + self._rest_s
        return True

    def succeeded(self) -> None:
        """Forget what was."""
        self.failures = 0
        self._until_s = None
