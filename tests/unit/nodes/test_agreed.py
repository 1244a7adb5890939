"""What persons agreed to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.nodes.agreed import KEEP_S, Agreed, Agreement

LS = Agreement("me", "ls", None, "main")


def test_an_agreement_is_used_once() -> None:
    agreed = Agreed()
    agreed.note(LS, "allow-once", 0.0)
    assert agreed.take(LS, 1.0) == "allow-once"
    assert agreed.take(LS, 1.0) is None


@pytest.mark.parametrize(
    "other",
    [{"caller_key": "you"}, {"command": "ls -l"}, {"cwd": "/srv"}, {"agent_id": "other"}],
)
def test_it_is_for_exactly_that(other: dict[str, str]) -> None:
    agreed = Agreed()
    agreed.note(LS, "allow-always", 0.0)
    assert agreed.take(replace(LS, **other), 1.0) is None
    assert agreed.take(LS, 1.0) == "allow-always"


def test_it_is_for_two_minutes() -> None:
    agreed = Agreed()
    agreed.note(LS, "allow-once", 0.0)
    assert agreed.take(LS, KEEP_S) is None
    assert len(agreed) == 0


def test_the_oldest_make_room() -> None:
    agreed = Agreed()
    for number in range(257):
        agreed.note(replace(LS, command=str(number)), "allow-once", 0.0)
    assert len(agreed) == 256
    assert agreed.take(replace(LS, command="0"), 1.0) is None
