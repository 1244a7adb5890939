"""A vendor's refusal becomes a fault, in the vendor's words, without secrets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from carapace.agent.providers.faults import (
    clean,
    error_from_event,
    error_from_status,
    message_of,
    parse_retry_after,
)
from carapace.agent.providers.ports import ProviderFault

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"no","type":"t","code":"c"}}', ("no", "t c")),
        (b'{"error":"plain"}', ("plain", "")),
        (b'[{"error":{"message":"in a list","status":"S"}}]', ("in a list", "S")),
        (b"[]", ("", "")),
        (b"7", ("", "")),
        (b'{"detail":"as FastAPI says it"}', ("as FastAPI says it", "")),
        (b'{"message":"top"}', ("top", "")),
        (b"plain text", ("plain text", "")),
        (b"<html>Bad Gateway</html>", ("", "")),
        (b"[" * 100_000, ("[" * 2000, "")),
    ],
)
def test_the_message_is_found_wherever_vendors_put_it(
    body: bytes, expected: tuple[str, str]
) -> None:
    assert message_of(body) == expected


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, b'{"error":{"message":"prompt is too long: 9 tokens"}}', ProviderFault.CONTEXT),
        (400, b'{"error":{"code":"context_length_exceeded"}}', ProviderFault.CONTEXT),
        (400, b'{"error":{"message":"API key not valid."}}', ProviderFault.AUTH),
        (400, b'{"error":{"message":"your credit balance is too low"}}', ProviderFault.AUTH),
        (402, b"{}", ProviderFault.AUTH),
        (408, b"{}", ProviderFault.OVERLOADED),
        (422, b"{}", ProviderFault.BAD_REQUEST),
        (429, b'{"error":{"code":"insufficient_quota"}}', ProviderFault.AUTH),
        (429, b'{"error":{"message":"exceeds the limit of a minute"}}', ProviderFault.RATE_LIMIT),
        (500, b'{"error":{"message":"context length unknown"}}', ProviderFault.OVERLOADED),
    ],
)
def test_words_in_the_body_refine_the_status(
    status: int, body: bytes, fault: ProviderFault
) -> None:
    assert error_from_status(status, body).fault is fault


def test_without_words_the_status_speaks() -> None:
    assert error_from_status(503, b"").message == "HTTP 503: Service Unavailable"
    assert error_from_status(599, b"").message == "HTTP 599: the server gave no reason"


def test_secrets_and_control_characters_never_show() -> None:
    error = error_from_status(
        401, b'{"error":"key sk-1234 \\u001b[31mis\\nwrong"}', secrets=["sk-1234"]
    )
    assert error.message == "HTTP 401: key *** [31mis wrong"


def test_long_messages_are_cut() -> None:
    assert len(clean("x" * 9_000, [""])) == 500


@pytest.mark.parametrize(
    ("kind", "message", "fault"),
    [
        ("overloaded_error", "busy", ProviderFault.OVERLOADED),
        ("rate_limit_error", "slow down", ProviderFault.RATE_LIMIT),
        ("invalid_request_error", "prompt is too long", ProviderFault.CONTEXT),
        ("never_heard_of", "", ProviderFault.OVERLOADED),
    ],
)
def test_an_error_inside_a_stream_has_a_fault_too(
    kind: str, message: str, fault: ProviderFault
) -> None:
    error = error_from_event(kind, message)
    assert error.fault is fault
    assert error.message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
