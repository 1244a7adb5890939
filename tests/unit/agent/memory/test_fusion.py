"""One order out of several."""

from __future__ import annotations

from carapace.agent.memory.fusion import fuse, near
from carapace.agent.memory.ports import Hit


def test_what_both_orders_name_comes_before_what_one_names():
    assert fuse(["a", "b"], ["b", "c"]) == ["b", "a", "c"]
    assert fuse([], ["x"]) == ["x"]
    assert fuse() == []


def test_only_those_about_as_near_as_the_best_are_near():
    hits = [Hit(4, 0.85), Hit(1, 0.82), Hit(0, 0.80)]
    assert near(hits) == hits[:2]
    assert near([]) == []
