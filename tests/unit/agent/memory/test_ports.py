"""Trouble says why and how long to wait."""

from __future__ import annotations

from carapace.agent.memory.ports import EmbedderTrouble, TroubleKind


def test_trouble_carries_its_kind_and_may_be_asked_again_at_once():
    trouble = EmbedderTrouble(TroubleKind.REFUSED, "too hot")
    assert (str(trouble), trouble.kind, trouble.retry_after_s) == ("too hot", "refused", 0.0)
