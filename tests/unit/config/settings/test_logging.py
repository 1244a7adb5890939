from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.logging import LoggingSettings


def test_log_files_are_bounded_by_default():
    settings = LoggingSettings()
    assert settings.max_file_bytes * settings.max_files <= 100 * 2**20


def test_a_level_is_one_of_the_known():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"level": "loud"}, LoggingSettings)
