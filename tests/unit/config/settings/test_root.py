from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings import Settings


def test_the_defaults_are_safe():
    settings = Settings()
    assert settings.gateway.bind == "loopback"
    assert settings.metrics.enabled is False
    assert settings.gateway.tls.enabled is False


def test_all_defaults_are_valid_settings_themselves():
    assert msgspec.convert(msgspec.to_builtins(Settings()), Settings) == Settings()


@pytest.mark.parametrize("name", ["port", "bind"])
def test_settings_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(Settings().gateway, name, 1)
