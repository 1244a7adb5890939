"""Jobs run by default, once for what they missed."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.cron import CronSettings


def test_defaults():
    assert CronSettings() == msgspec.convert(
        {"enabled": True, "maxConcurrentRuns": 2, "catchUp": "once"}, CronSettings
    )


@pytest.mark.parametrize("bad", [{"maxConcurrentRuns": 0}, {"catchUp": "all"}])
def test_what_makes_no_sense_is_refused(bad: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, CronSettings)
