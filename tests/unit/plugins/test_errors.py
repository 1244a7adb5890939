from __future__ import annotations

from typing import get_args

import pytest

from carapace.errors import Failed
from carapace.plugins.errors import (
    TRAP_KINDS,
    GuestError,
    GuestTrap,
    PluginUnavailable,
    TrapKind,
)


def test_a_guest_error_carries_the_four_fields_of_the_contract() -> None:
    error = GuestError("BUSY", "come back later", retryable=True, retry_after_ms=1500)

    assert (error.code, error.message) == ("BUSY", "come back later")
    assert (error.retryable, error.retry_after_ms) == (True, 1500)
    assert isinstance(error, Failed)


@pytest.mark.parametrize("kind", TRAP_KINDS)
def test_only_traps_that_time_may_heal_are_worth_a_retry(kind: TrapKind) -> None:
    trap = GuestTrap(kind, "the machine's words")

    assert (trap.kind, trap.text, trap.message) == (kind, "the machine's words", trap.text)
    assert trap.retryable == (kind in {"deadline", "lost"})


def test_every_kind_of_trap_is_in_the_table() -> None:
    assert set(get_args(TrapKind)) == set(TRAP_KINDS)


def test_an_unavailable_plugin_is_a_failure_with_the_usual_code() -> None:
    assert PluginUnavailable("it is resting").code == "UNAVAILABLE"
