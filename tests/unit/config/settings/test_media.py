"""Files have caps and an end by default, and no stranger reaches one."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.media import MediaSettings
from carapace.config.settings.root import Settings


def test_the_defaults_are_bounded_and_closed():
    media = Settings().media
    assert (media.max_item_mb, media.max_total_mb) == (20, 2_048)
    assert (media.ttl_hours, media.unused_ttl_minutes) == (720, 60)
    assert media.links.public_url is None
    assert media.links.ttl_minutes == 60


@pytest.mark.parametrize("key", ["maxItemMb", "maxTotalMb", "ttlHours", "unusedTtlMinutes"])
def test_nothing_is_unbounded(key: str):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({key: 0}, MediaSettings)
    assert msgspec.convert({key: 3}, MediaSettings) != MediaSettings()
