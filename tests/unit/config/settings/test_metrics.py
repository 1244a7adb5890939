from __future__ import annotations

from carapace.config.settings.metrics import MetricsSettings


def test_nothing_listens_beyond_loopback_unless_told():
    assert (MetricsSettings().enabled, MetricsSettings().host) == (False, "127.0.0.1")
