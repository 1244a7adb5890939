"""When a failing handler rests."""

from __future__ import annotations

from carapace.hooks.quarantine import MAX_FAILURES, REST_S, Quarantine


def test_failures_in_a_row_lead_to_a_rest():
    record = Quarantine()
    assert [record.failed(0.0) for _ in range(MAX_FAILURES)] == [False] * 4 + [True]
    assert record.is_resting(REST_S - 1)
    assert not record.is_resting(REST_S)


def test_a_success_between_failures_starts_the_count_again():
    record = Quarantine(max_failures=2)
    assert not record.failed(0.0)
    record.succeeded()
    assert not record.failed(0.0)
    assert not record.is_resting(0.0)


def test_after_its_rest_one_failure_is_enough():
    record = Quarantine(max_failures=3, rest_s=10.0)
    for _ in range(3):
        record.failed(0.0)
    assert record.failed(10.0)
    assert record.is_resting(19.0)


def test_after_its_rest_a_success_clears_the_record():
    record = Quarantine(max_failures=2, rest_s=10.0)
    record.failed(0.0)
    record.failed(0.0)
    record.succeeded()
    assert record.failures == 0
    assert not record.is_resting(1.0)
