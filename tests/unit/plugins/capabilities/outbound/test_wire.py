"""Records travel as the contract writes them."""

from __future__ import annotations

import msgspec
import pytest

from carapace.plugins.capabilities.outbound.wire import Body, Empty, Request, Text
from support.capabilities import plain_request, secret_use


def test_a_request_goes_both_ways():
    plain = plain_request(
        "https://a.example/", method="POST", text="x", secrets=(secret_use("path", "{t}"),)
    )
    request = msgspec.convert(plain, Request)
    assert request.body == Text("x")
    assert msgspec.json.decode(msgspec.json.encode(request)) == plain


def test_a_variant_without_payload_has_a_null():
    assert msgspec.to_builtins(Empty()) == {"tag": "empty", "value": None}
    assert msgspec.convert({"tag": "empty", "value": None}, Body) == Empty()


@pytest.mark.parametrize(
    "change",
    [
        {"method": "GET\n"},
        {"method": "get"},
        {"url": ""},
        {"timeout_ms": 0},
        {"want": "all"},
        {"extra": 1},
        {"body": {"tag": "file", "value": "/etc/passwd"}},
        {"secrets": [secret_use("cookie", "x")]},
    ],
)
def test_anything_else_is_refused(change):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**plain_request("https://a.example/"), **change}, Request)
