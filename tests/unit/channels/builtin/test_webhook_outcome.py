from __future__ import annotations

from datetime import UTC, datetime

import pytest

from carapace.channels.builtin.webhook_outcome import outcome_of, retry_after_s
from carapace.channels.types import Dead, Delivered, RetryAfter, Unknown

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def outcome(status, body=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return outcome_of(status, named, body, key="k/1", now=NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_two_hundred_and_more_is_delivered(status):
    assert outcome(status) == Delivered()


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b'{"id": "abc"}', "abc"),
        (b'{"id": "\xc3\xa9\xf0\x9f\x99\x82"}', "é🙂"),
        (b'{"id": 7}', None),
        (b'{"id": ""}', None),
        (b'{"id": "' + b"x" * 600 + b'"}', None),
        (b'{"other": 1}', None),
        (b"[1]", None),
        (b"not json", None),
        (b"\xff\xfe", None),
        (b"[" * 50_000, None),
        (b"", None),
    ],
)
def test_the_id_is_taken_from_the_body_if_there_is_one(body, message_id):
    assert outcome(200, body) == Delivered(message_id=message_id)


def test_a_conflict_about_our_own_key_means_that_it_is_there():
    assert outcome(409, idempotency_key="k/1") == Delivered()
    body = b'{"idempotencyKey": "k/1", "id": "m"}'
    assert outcome(409, body) == Delivered(message_id="m")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"idempotencyKey": "k/2"}'])
def test_another_conflict_is_a_refusal(body):
    assert isinstance(outcome(409, body), Dead)


@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_these_surely_did_not_take_it(status):
    assert outcome(status) == RetryAfter(reason=f"the receiver answered {status}")
    assert outcome(status, retry_after="7") == RetryAfter(
        reason=f"the receiver answered {status}", after_s=7.0
    )


@pytest.mark.parametrize("status", [500, 502, 504, 507, 599])
def test_after_these_nobody_knows(status):
    assert outcome(status, retry_after="3") == Unknown(
        reason=f"the receiver answered {status}", after_s=3.0
    )


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 413, 422, 501, 505])
def test_these_will_never_take_it(status):
    found = outcome(status)
    assert isinstance(found, Dead)
    assert str(status) in found.reason


def test_a_refusal_says_what_to_do_where_that_is_known():
    for status, words in ((401, "same secret"), (302, "callbackUrl")):
        found = outcome(status)
        assert isinstance(found, Dead)
        assert words in found.reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 30, None),
        ("Thu, 99 Jan 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value, seconds):
    assert retry_after_s(value, NOW) == seconds
