from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.environment import EnvSettings


def test_variables_are_texts():
    assert msgspec.convert({"vars": {"A": "1"}}, EnvSettings).vars == {"A": "1"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"vars": {"A": 1}}, EnvSettings)
