"""What a client is told of an error."""

from __future__ import annotations

import msgspec

from carapace.errors import Failed, Refused
from carapace.protocol.errors import ErrorCode, error_shape


def test_a_plain_refusal_has_code_and_message_only():
    encoded = msgspec.json.decode(msgspec.json.encode(error_shape(Refused("no"))))
    assert encoded == {"code": "INVALID_REQUEST", "message": "no"}


def test_all_fields_travel_in_camel_case():
    error = Failed(
        "later",
        code=ErrorCode.NOT_PAIRED,
        retryable=True,
        retry_after_ms=5,
        details={"requestId": "r"},
    )
    assert msgspec.json.decode(msgspec.json.encode(error_shape(error))) == {
        "code": "NOT_PAIRED",
        "message": "later",
        "retryable": True,
        "retryAfterMs": 5,
        "details": {"requestId": "r"},
    }
