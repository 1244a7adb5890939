from __future__ import annotations

from carapace.config.settings.discovery import DiscoverySettings


def test_nothing_is_announced_unless_asked_for():
    assert DiscoverySettings().mdns.mode == "off"
