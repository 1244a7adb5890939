"""Slow is an average, after a while."""

from __future__ import annotations

import pytest

from carapace.media.pace import Pace

PACE = Pace(min_bytes_per_s=100, grace_s=10.0)


@pytest.mark.parametrize(
    ("n_bytes", "elapsed_s", "is_slow"),
    [(0, 0.0, False), (0, 10.0, False), (1, 10.1, True), (1010, 10.1, False), (1009, 10.1, True)],
)
def test_the_average_counts_once_the_grace_is_over(n_bytes, elapsed_s, is_slow):
    assert PACE.is_too_slow(n_bytes, elapsed_s) is is_slow
