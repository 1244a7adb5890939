"""Whatever a service answers, the next step is bounded and sensible."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carapace.channels.outbox.backoff import GiveUp, RetryAt, RetryPolicy, decide, delay_s
from carapace.channels.types import Dead, Delivered, RetryAfter, Unknown

POLICY = RetryPolicy()
ASKED = st.none() | st.floats(allow_nan=True, allow_infinity=True)
LUCK = st.floats(min_value=0, max_value=1, exclude_max=True)
FAILING = st.builds(RetryAfter, reason=st.text(), after_s=ASKED) | st.builds(
    Unknown, reason=st.text(), after_s=ASKED
)


@given(failures=st.integers(1, 10**9), after_s=ASKED, luck=LUCK)
def test_a_delay_is_never_negative_and_never_longer_than_its_caps(
    failures: int, after_s: float | None, luck: float
):
    found = delay_s(failures, after_s, policy=POLICY, luck=luck)
    assert 0 <= found <= max(POLICY.cap_s, POLICY.max_retry_after_s)
    if after_s is not None and 0 < after_s <= POLICY.max_retry_after_s:
        assert found >= after_s


@given(
    outcome=FAILING,
    failures=st.integers(0, 200),
    doubt=st.booleans(),
    can_tell=st.booleans(),
    now_ms=st.integers(0, 2**42),
    left_ms=st.integers(-1_000, 10_000_000),
    luck=LUCK,
)
def test_a_failure_waits_within_its_life_or_ends(
    *,
    outcome: RetryAfter | Unknown,
    failures: int,
    doubt: bool,
    can_tell: bool,
    now_ms: int,
    left_ms: int,
    luck: float,
):
    verdict = decide(
        outcome,
        failures=failures,
        may_be_repeat=doubt,
        can_tell=can_tell,
        now_ms=now_ms,
        expires_at_ms=now_ms + left_ms,
        policy=POLICY,
        luck=lambda: luck,
    )
    if isinstance(verdict, RetryAt):
        assert now_ms <= verdict.at_ms < now_ms + left_ms
        assert failures + 1 < POLICY.max_attempts
    else:
        assert isinstance(verdict, GiveUp)
        may_have_arrived = "may have arrived" in verdict.reason.removeprefix(outcome.reason)
        assert may_have_arrived is (doubt or isinstance(outcome, Unknown))


@given(outcome=st.builds(Dead, reason=st.text()) | st.builds(Delivered), failures=st.integers(0))
def test_what_has_ended_is_not_tried_again(outcome: Dead | Delivered, failures: int):
    verdict = decide(
        outcome,
        failures=failures,
        may_be_repeat=False,
        can_tell=False,
        now_ms=0,
        expires_at_ms=0,
        policy=POLICY,
        luck=lambda: 0.5,
    )
    assert not isinstance(verdict, RetryAt)
