"""`models.list` on the wire has the fields clients read, absent where unknown."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.models import ModelInfo, ModelsList, ModelsListParams


def test_a_row_as_the_node_gateway_sends_it() -> None:
    row = ModelInfo("fake-1", "Fake One", "fake", 128_000)
    assert msgspec.json.decode(msgspec.json.encode(ModelsList([row]))) == {
        "models": [
            {
                "id": "fake-1",
                "name": "Fake One",
                "provider": "fake",
                "contextWindow": 128000,
                "reasoning": False,
                "input": ["text"],
            }
        ]
    }


def test_an_unknown_context_is_absent() -> None:
    assert b"contextWindow" not in msgspec.json.encode(ModelInfo("a", "A", "p"))


def test_params_take_nothing() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"surprise":true}', type=ModelsListParams)
