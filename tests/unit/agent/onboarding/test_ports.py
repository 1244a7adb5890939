"""The gateway's own target fits the port."""

from __future__ import annotations

from carapace.agent.onboarding.ports import SetupTarget
from carapace.app.setup import HouseSetup


def test_the_house_is_a_target():
    for name in ("facts", "write"):
        assert callable(getattr(SetupTarget, name))
        assert callable(getattr(HouseSetup, name))
