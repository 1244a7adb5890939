from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.models import ModelsSettings


def test_a_provider_is_read_as_the_node_gateway_writes_it():
    tree = {
        "providers": {
            "x": {
                "baseUrl": "http://127.0.0.1:1/v1",
                "api": "anthropic-messages",
                "models": [
                    {"id": "m", "name": "M", "cost": {"cacheRead": 0.5}, "input": ["image"]}
                ],
            }
        }
    }
    provider = msgspec.convert(tree, ModelsSettings).providers["x"]
    assert provider.base_url == "http://127.0.0.1:1/v1"
    assert provider.models[0].cost is not None
    assert provider.models[0].cost.cache_read == 0.5


@pytest.mark.parametrize("bad", [{"api": "smtp"}, {"models": [{}]}, {"baseUrl": ""}])
def test_a_provider_that_makes_no_sense_is_refused(bad):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"providers": {"x": bad}}, ModelsSettings)


def test_the_embedded_model_is_there_without_any_setting():
    assert ModelsSettings().embedded.enabled
