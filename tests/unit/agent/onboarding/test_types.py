"""Secrets do not show themselves."""

from __future__ import annotations

from carapace.agent.onboarding.types import Answers, SetupPlan


def test_a_key_is_in_no_dump():
    assert "hunter2" not in repr(Answers(key="hunter2"))
    assert "hunter2" not in repr(SetupPlan(patch={}, provider="p", key="hunter2"))
