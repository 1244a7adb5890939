"""News are fetched on at once, trouble is given time."""

from __future__ import annotations

import pytest

from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.outbound.wire import Empty, Header, Response
from carapace.plugins.capabilities.poll_pace import Pace, is_failure, next_pause


def answer(status: int, **headers: str) -> Response:
    found = tuple(Header(name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, found, Empty())


@pytest.mark.parametrize(
    ("status", "took_s", "wait_s"),
    [(200, 0, 0.05), (200, 0.02, 0.03), (200, 30, 0), (408, 30, 0), (408, 0.2, 0.8), (304, 0, 1.0)],
)
def test_a_service_that_is_well_is_asked_on(status, took_s, wait_s):
    pace = next_pause(answer(status), took_s=took_s, failures=7, luck=0.5)
    assert pace.wait_s == pytest.approx(wait_s)
    assert pace.failures == 0


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 503])
def test_a_service_in_trouble_is_asked_less_and_less(status):
    waits = [next_pause(answer(status), took_s=30, failures=n, luck=0.0).wait_s for n in range(8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    late = next_pause(answer(status), took_s=0, failures=3, luck=0.99)
    assert late.wait_s == pytest.approx(16 * 0.995)
    assert late.failures == 4


def test_a_service_that_says_when_is_believed_for_an_hour():
    asked = answer(429, Retry_After="90")
    assert next_pause(asked, took_s=0, failures=0, luck=0).wait_s == 90
    mad = answer(429, Retry_After="999999999")
    assert next_pause(mad, took_s=0, failures=0, luck=0).wait_s == 3600
    date = answer(429, X="1", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    assert next_pause(date, took_s=0, failures=0, luck=0).wait_s == 1


def test_errors_are_failures():
    error = guest_error(Code.UNREACHABLE, "gone", retry_after_ms=7_000)
    assert is_failure(error)
    assert next_pause(error, took_s=0, failures=0, luck=0) == Pace(7, 1)
    bare = guest_error(Code.TIMEOUT, "slow")
    assert next_pause(bare, took_s=0, failures=0, luck=0).wait_s == 1


def test_redirects_are_no_failure():
    assert not is_failure(answer(302))
