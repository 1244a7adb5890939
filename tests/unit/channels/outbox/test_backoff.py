"""What follows from an attempt."""

from __future__ import annotations

import math

import pytest

from carapace.channels.outbox.backoff import (
    GiveUp,
    RetryAt,
    RetryPolicy,
    Verdict,
    decide,
    delay_s,
    outcome_of,
)
from carapace.channels.outbox.types import AttemptOutcome, Cause
from carapace.channels.types import Dead, Delivered, RetryAfter, SendOutcome, Unknown

POLICY = RetryPolicy()
HOUR_MS = 3_600_000


def follow(
    outcome: SendOutcome,
    *,
    failures: int = 0,
    may_be_repeat: bool = False,
    can_tell: bool = False,
    now_ms: int = 0,
    expires_at_ms: int = 10 * HOUR_MS,
    luck: float = 0.5,
) -> Verdict:
    return decide(
        outcome,
        failures=failures,
        may_be_repeat=may_be_repeat,
        can_tell=can_tell,
        now_ms=now_ms,
        expires_at_ms=expires_at_ms,
        policy=POLICY,
        luck=lambda: luck,
    )


def test_delivered_is_the_end():
    assert follow(Delivered(message_id="m")) == Delivered(message_id="m")


def test_what_the_service_will_never_take_is_given_up_at_once():
    assert follow(Dead(reason="no such room")) == GiveUp(cause=Cause.REFUSED, reason="no such room")


@pytest.mark.parametrize(
    ("failures", "ceiling_s"), [(0, 1), (1, 2), (2, 4), (8, 256), (9, 300), (40, 300)]
)
def test_the_longest_wait_doubles_up_to_five_minutes(failures: int, ceiling_s: int):
    later = follow(RetryAfter(reason="busy"), failures=failures, luck=0.5)
    assert later == RetryAt(at_ms=ceiling_s * 500, reason="busy")


def test_the_shortest_wait_is_none_at_all():
    assert follow(RetryAfter(reason="busy"), failures=5, luck=0.0) == RetryAt(
        at_ms=0, reason="busy"
    )


def test_what_the_service_asks_for_is_waited_for():
    later = follow(RetryAfter(reason="slow down", after_s=90.5))
    assert later == RetryAt(at_ms=90_500, reason="slow down")


def test_a_mad_retry_after_is_bounded():
    later = follow(RetryAfter(reason="slow down", after_s=math.inf))
    assert later == RetryAt(at_ms=HOUR_MS, reason="slow down")


@pytest.mark.parametrize("after_s", [math.nan, -5.0, 0.0, None])
def test_a_senseless_retry_after_counts_as_none(after_s: float | None):
    assert delay_s(1, after_s, policy=POLICY, luck=0.25) == 0.25


def test_the_service_cannot_make_us_faster_than_we_would_be():
    assert delay_s(5, 1.0, policy=POLICY, luck=0.5) == 8.0


def test_a_delay_needs_a_failure():
    with pytest.raises(ValueError, match="at least one failure"):
        delay_s(0, None, policy=POLICY, luck=0.5)


def test_a_next_attempt_beyond_the_time_to_live_is_given_up_now():
    verdict = follow(RetryAfter(reason="slow down", after_s=60), expires_at_ms=60_000)
    assert verdict == GiveUp(cause=Cause.EXPIRED, reason="slow down (failed once)")


def test_fifty_failures_are_enough():
    assert isinstance(follow(RetryAfter(reason="busy"), failures=48), RetryAt)
    verdict = follow(RetryAfter(reason="busy"), failures=49)
    assert verdict == GiveUp(cause=Cause.EXHAUSTED, reason="busy (failed 50 times)")


def test_copies_nobody_can_count_end_sooner():
    assert isinstance(follow(Unknown(reason="reset"), failures=8), RetryAt)
    verdict = follow(Unknown(reason="reset"), failures=9)
    assert isinstance(verdict, GiveUp)
    assert verdict.cause is Cause.EXHAUSTED
    assert "it may have arrived all the same" in verdict.reason
    assert isinstance(follow(Unknown(reason="reset"), failures=9, can_tell=True), RetryAt)


def test_an_old_doubt_is_told_when_given_up():
    verdict = follow(RetryAfter(reason="busy"), failures=49, may_be_repeat=True)
    assert isinstance(verdict, GiveUp)
    assert "may have arrived" in verdict.reason


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Delivered(), AttemptOutcome.DELIVERED),
        (RetryAfter(reason=""), AttemptOutcome.RETRY),
        (Unknown(reason=""), AttemptOutcome.UNKNOWN),
        (Dead(reason=""), AttemptOutcome.DEAD),
    ],
)
def test_every_outcome_has_its_name(outcome: SendOutcome, name: AttemptOutcome):
    assert outcome_of(outcome) is name
