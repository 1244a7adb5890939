"""Whether a download is worth waiting for. Pure.

A peer that sends a byte now and then keeps every deadline between two bytes; what it does not
keep is an average.
"""

from __future__ import annotations

from carapace.value import Value

__all__ = ["Pace"]


class Pace(Value, frozen=True):
    """The slowest that is put up with.

    Attributes:
        min_bytes_per_s: On average since the body began.
        grace_s: For which anything is fine.
    """

    min_bytes_per_s: int
    grace_s: float

    def is_too_slow(self, n_bytes: int, elapsed_s: float) -> bool:
        """Whether `n_bytes` in `elapsed_s` is less than that."""
        return elapsed_s > self.grace_s and n_bytes < self.min_bytes_per_s * elapsed_s
