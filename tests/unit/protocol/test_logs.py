"""`logs.tail` is bounded in lines and bytes."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.logs import LogsTail, LogsTailParams


def test_defaults_are_the_node_gateways():
    params = msgspec.json.decode(b"{}", type=LogsTailParams)
    assert (params.cursor, params.limit, params.max_bytes) == (None, 500, 250_000)


@pytest.mark.parametrize(
    "bad",
    [b'{"limit":0}', b'{"limit":5001}', b'{"maxBytes":1000001}', b'{"cursor":-1}', b'{"x":1}'],
)
def test_what_is_out_of_bounds_is_refused(bad: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(bad, type=LogsTailParams)


def test_every_field_of_the_answer_is_always_there():
    answer = msgspec.json.decode(msgspec.json.encode(LogsTail("f", 3, 3, ["a"], False, False)))
    assert answer == {
        "file": "f", "cursor": 3, "size": 3, "lines": ["a"], "truncated": False, "reset": False,
    }  # fmt: skip
