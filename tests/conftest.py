"""What all tests share: how hypothesis judges them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# How fast this machine draws examples is not a fact about the product, and it changes with
# whatever else the machine does.
_STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# The same examples in every run, so that a run that fails fails again; `just explore` draws others.
settings.register_profile("steady", _STEADY, derandomize=True)
settings.register_profile("explore", _STEADY, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
