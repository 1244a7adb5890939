"""How far a download is, as numbers for whoever draws the bar."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from carapace.clock import Clock
from carapace.value import Value

__all__ = ["Meter", "Progress", "Report"]

_WINDOW_S = 5.0
_MIN_GAP_S = 0.1


class Progress(Value, frozen=True):
    """One report.

    Attributes:
        stage: `connecting`, `downloading`, `checking` or `ready`.
        done_bytes: So far, counting what an earlier run left.
        total_bytes: Of the whole file; None if the source did not say.
        rate_bytes_s: Over the last seconds; 0 at first.
        source: Where from, for people.
        note: What happened besides (a source that was given up), or None.
    """

    stage: str
    done_bytes: int
    total_bytes: int | None
    rate_bytes_s: float
    source: str
    note: str | None = None


Report = Callable[[Progress], None]


class Meter:
    """Turns byte counts into reports, ten a second at most.

    Args:
        report: Gets them.
        clock: For the rate.
        total_bytes: Of the whole file, if known.
    """

    def __init__(self, report: Report, *, clock: Clock, total_bytes: int | None) -> None:
        self._report = report
        self._clock = clock
        self._total = total_bytes
        self._done = 0
        self._source = ""
        self._samples: deque[tuple[float, int]] = deque()
        self._last_s = -_MIN_GAP_S

    def start(self, source: str, done_bytes: int, total_bytes: int | None) -> None:
        """A source begins to answer, or is put right, at `done_bytes` of the file."""
        if source != self._source:
            self._samples.clear()
        self._source, self._done, self._total = source, done_bytes, total_bytes
        self._samples.append((self._clock.monotonic(), done_bytes))
        self.tell("downloading")

    def move(self, n_bytes: int) -> None:
        """`n_bytes` more of the file are here (fewer than none if a part begins anew)."""
        self._done += n_bytes
        now = self._clock.monotonic()
        self._samples.append((now, self._done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_S:  # noqa: PLR2004 - a rate needs two points
            self._samples.popleft()
        if now - self._last_s >= _MIN_GAP_S:
            self.tell("downloading")

    def tell(self, stage: str, note: str | None = None) -> None:
        """Report now."""
        self._last_s = self._clock.monotonic()
        self._report(Progress(stage, self._done, self._total, self._rate(), self._source, note))

    def _rate(self) -> float:
        if not self._samples:
            return 0.0
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return max(0.0, (after - before) / (now - then)) if now > then else 0.0
