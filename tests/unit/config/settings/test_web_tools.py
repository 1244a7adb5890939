"""What an agent may read of the web."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.web_tools import WebFetch, WebSearch, WebTools


def test_pages_may_be_read_and_nobody_is_chosen_to_search():
    settings = WebTools()
    assert settings.fetch.enabled
    assert settings.fetch.allow_hosts == ()
    assert (settings.search.provider, settings.search.api_key) == (None, None)


def test_the_keys_are_those_of_the_node_gateway():
    text = b'{"provider": "brave", "apiKey": "k", "maxResults": 3, "timeoutSeconds": 5}'
    assert msgspec.json.decode(text, type=WebSearch) == WebSearch(
        provider="brave", api_key="k", max_results=3, timeout_seconds=5
    )


@pytest.mark.parametrize("text", [b'{"maxChars": 0}', b'{"timeoutSeconds": 0}'])
def test_bounds_hold(text: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=WebFetch)
