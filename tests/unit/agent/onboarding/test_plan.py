"""Answers become a patch without secrets, and a key that belongs to an address."""

from __future__ import annotations

import pytest

from carapace.agent.onboarding.machine import NO_CHANNEL
from carapace.agent.onboarding.plan import plan_of
from carapace.agent.onboarding.types import SERVER, Answers, Choice, Facts, Source

FACTS = Facts(
    sources=(
        Source(id="vendor", label="V", wants_key=True, models=(Choice("m1", "M"),)),
        Source(id="far", label="F", wants_key=True, wants_model=True),
        Source(id=SERVER, label="S", wants_model=True),
        Source(id="auto", label="A"),
    )
)
SERVER_URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("answers", "patch"),
    [
        (
            {"provider": "vendor", "key": "k", "model": "m1"},
            {"agents": {"defaults": {"model": {"primary": "vendor/m1"}}}},
        ),
        (
            {"provider": "far", "key": "k", "model": "x", "channel": NO_CHANNEL},
            {
                "agents": {"defaults": {"model": {"primary": "far/x"}}},
                "models": {"providers": {"far": {"models": [{"id": "x"}]}}},
            },
        ),
        (
            {"provider": SERVER, "address": SERVER_URL, "model": "x", "workspace": "/w"},
            {
                "agents": {"defaults": {"model": {"primary": "server/x"}, "workspace": "/w"}},
                "models": {
                    "providers": {
                        SERVER: {
                            "baseUrl": SERVER_URL,
                            "api": "openai-completions",
                            "models": [{"id": "x"}],
                        }
                    }
                },
            },
        ),
        (
            {"provider": "auto", "channel": "zalo"},
            {
                "agents": {"defaults": {"model": {"primary": None}}},
                "channels": {"zalo": {"enabled": True}},
            },
        ),
    ],
)
def test_a_patch_says_what_was_answered_and_no_more(answers, patch):
    plan = plan_of(FACTS, Answers(**answers))
    assert plan.patch == patch
    assert plan.key == answers.get("key")


def test_a_key_goes_with_its_address():
    plan = plan_of(FACTS, Answers(provider=SERVER, address=SERVER_URL, key="k", model="x"))
    assert (plan.provider, plan.address, plan.key) == (SERVER, SERVER_URL, "k")
    assert plan_of(FACTS, Answers(provider="vendor", key="", model="m1")).key is None
