"""The HTTP endpoints are off until they are asked for, and bounded."""

from __future__ import annotations

import msgspec
import pytest

from carapace.config.settings.http import HttpSettings


def test_endpoints_are_off_by_default_with_the_recorded_limits():
    endpoints = HttpSettings().endpoints
    assert not endpoints.chat_completions.enabled
    assert not endpoints.responses.enabled
    assert not endpoints.embeddings.enabled
    assert endpoints.embeddings.max_body_bytes == 4_194_304
    assert endpoints.chat_completions.max_body_bytes == 1_048_576
    assert endpoints.responses.max_body_bytes == 20_971_520
    assert endpoints.responses.files.max_bytes == 5_242_880
    assert endpoints.responses.images.max_bytes == 10_485_760


def test_keys_are_written_as_the_node_gateway_writes_them():
    given = {
        "endpoints": {
            "chatCompletions": {"enabled": True},
            "responses": {"files": {"allowUrl": False, "pdf": {"maxPages": 3}}},
        }
    }
    endpoints = msgspec.convert(given, HttpSettings).endpoints
    assert endpoints.chat_completions.enabled
    assert (endpoints.responses.files.allow_url, endpoints.responses.files.pdf.max_pages) == (
        False,
        3,
    )


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"endpoints": {"responses": {"maxBodyBytes": 0}}}, HttpSettings)
