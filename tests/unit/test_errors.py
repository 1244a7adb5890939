"""Two kinds of errors cross rooms, and both carry what a client may be told."""

from __future__ import annotations

import pytest

from carapace.errors import Failed, GatewayError, Refused
from carapace.protocol.errors import ErrorCode


@pytest.mark.parametrize(("kind", "code"), [(Refused, "INVALID_REQUEST"), (Failed, "UNAVAILABLE")])
def test_each_kind_has_its_code_and_its_message(kind: type[GatewayError], code: str):
    error = kind("what, why, what next")
    assert isinstance(error, GatewayError)
    assert (error.code, error.message, str(error)) == (code, error.message, "what, why, what next")
    assert error.code in list(ErrorCode)
    assert (error.retryable, error.retry_after_ms, error.details, error.payload) == (None,) * 4


def test_what_is_given_wins_over_the_kinds_own():
    error = Refused(
        "later", code="NOT_PAIRED", retryable=True, retry_after_ms=9, details={"a": 1}, payload=[1]
    )
    assert (error.code, error.retryable, error.retry_after_ms) == ("NOT_PAIRED", True, 9)
    assert (error.details, error.payload) == ({"a": 1}, [1])
    assert Refused.code == "INVALID_REQUEST"
