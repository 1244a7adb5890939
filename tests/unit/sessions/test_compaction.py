"""Where a transcript may be cut."""

from __future__ import annotations

import pytest

from carapace.sessions.compaction import Cut, cut_after

TALK = [(1, "user"), (2, "assistant"), (3, "toolResult"), (4, "assistant"), (7, "user")]


@pytest.mark.parametrize(
    ("keep", "cut"),
    [
        (9, None),
        (5, None),
        (4, Cut(through_seq=1, archived=1, kept=4)),
        (3, Cut(through_seq=3, archived=3, kept=2)),  # the result goes with its call
        (2, Cut(through_seq=3, archived=3, kept=2)),
        (0, Cut(through_seq=7, archived=5, kept=0)),
    ],
)
def test_the_newest_stay_and_start_with_no_orphan(keep: int, cut: Cut | None):
    assert cut_after(TALK, keep) == cut


def test_only_results_left_means_nothing_left():
    assert cut_after([(1, "assistant"), (2, "toolResult")], 1) == Cut(2, 2, 0)


def test_nothing_said_is_nothing_to_cut():
    assert cut_after([], 0) is None
