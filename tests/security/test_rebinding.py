"""Names that change their address under a real resolver (advisory F03), on a machine of its own."""

from __future__ import annotations

from typing import Any

import pytest

from support import rebinding
from support.namespace import report_of

pytestmark = pytest.mark.slow


def report() -> dict[str, Any]:
    """What was reached; the world runs once, whatever comes of it."""
    return report_of("support.rebinding", what="REBINDING IS", timeout_s=60)


def test_the_world_works_or_nothing_is_proven():
    """A steady name is reached each time, and every name was really looked up, again and again."""
    found = report()
    assert set(found["outcomes"]["steady"]) == {"200"}
    assert found["reached"]["public"] >= 4 * rebinding.ROUNDS
    assert all(asked >= rebinding.ROUNDS for asked in found["asked"].values())


def test_loopback_is_never_reached():
    assert "secret" not in report()["reached"]


@pytest.mark.parametrize("name", ["both", "six", "mapped", "alias"])
def test_a_name_with_a_bad_address_is_refused_each_time(name):
    assert set(report()["outcomes"][name]) == {"refused"}


@pytest.mark.parametrize("name", ["flip", "flop"])
def test_a_name_that_changes_its_mind_reaches_the_public_address_or_is_refused(name):
    """Both happen: the public answer is dialled as it was checked, the other one never."""
    assert set(report()["outcomes"][name]) == {"200", "refused"}
