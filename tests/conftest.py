"""What all tests share: how hypothesis judges them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How fast this machine draws examples is not a fact about the product, and it changes with
# whatever else the machine does.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
