from __future__ import annotations

from carapace.config.issue import Issue, Problem
from carapace.config.located import Place


def test_an_issue_has_the_place_in_front():
    problem = Problem("gateway.port", "expected a number.", Place("a.json", 2, 3))
    assert problem.issue() == Issue("gateway.port", "a.json:2:3: expected a number.")
    assert str(problem) == "expected a number."
