"""A revocation is counted before it closes."""

from __future__ import annotations

from carapace.auth.revocation import Revocations
from support.auth import caller


def test_disowning_closes_who_matches_and_counts():
    seen: list[tuple[bool, str, int]] = []
    me = caller(device_id="a" * 64)
    revocations = Revocations(
        lambda matches, reason: seen.append((matches(me), reason, revocations.epoch))
    )
    assert revocations.epoch == 0
    revocations.disown(lambda live: live.device_id == me.device_id, "gone")
    assert seen == [(True, "gone", 1)]
    assert revocations.epoch == 1
