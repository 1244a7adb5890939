"""Whatever a service does with what it is brought is an outcome."""

from __future__ import annotations

import pytest

from carapace.plugins.capabilities.bringing import Brought, bring, pause_s
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Brought.TAKEN),
        (PluginUnavailable("busy"), Brought.ABSENT),
        (GuestTrap("deadline", "slow"), Brought.BROKEN),
        (GuestError("x", "no"), Brought.BROKEN),
        (ValueError("ours"), Brought.BROKEN),
    ],
)
async def test_every_end_is_an_outcome(error, outcome):
    async def call() -> None:
        if error is not None:
            raise error

    assert await bring(call(), plugin_id="demo", what="timer x") is outcome


def test_pauses_grow_to_half_a_minute():
    assert [pause_s(n) for n in (1, 2, 3, 5, 6, 99)] == [1, 2, 4, 16, 30, 30]
