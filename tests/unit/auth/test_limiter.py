"""Guessing is slow, whoever guesses."""

from __future__ import annotations

import pytest

from carapace.auth.limiter import Attempt, FailureLimiter, LimitRules, Locked, address_key

RULES = LimitRules(
    max_failures=3, max_failures_everywhere=5, window_s=60, lockout_s=300, max_addresses=4
)


def _fail(limiter: FailureLimiter, address: str, now_s: float = 0.0) -> Attempt | Locked:
    attempt = limiter.begin(address, now_s)
    if isinstance(attempt, Attempt):
        limiter.fail(attempt, now_s)
    return attempt


def _succeed(limiter: FailureLimiter, address: str, now_s: float = 0.0) -> None:
    attempt = limiter.begin(address, now_s)
    assert isinstance(attempt, Attempt)
    limiter.succeed(attempt, now_s)


def test_the_budget_then_the_lock_then_a_fresh_start():
    limiter = FailureLimiter(RULES)
    assert all(isinstance(_fail(limiter, "127.0.0.1"), Attempt) for _ in range(3))
    assert limiter.begin("127.0.0.1", 1.0) == Locked(300_000, is_new=True)
    assert limiter.begin("127.0.0.1", 200.0) == Locked(101_000, is_new=False)
    assert isinstance(limiter.begin("127.0.0.1", 301.0), Attempt)


def test_failures_age_out_of_the_window():
    limiter = FailureLimiter(RULES)
    for now_s in (0.0, 30.0, 61.0, 91.0, 122.0):
        assert isinstance(_fail(limiter, "192.0.2.1", now_s), Attempt)


def test_success_wipes_the_slate():
    limiter = FailureLimiter(RULES)
    _fail(limiter, "192.0.2.1")
    _fail(limiter, "192.0.2.1")
    _succeed(limiter, "192.0.2.1")
    assert all(isinstance(_fail(limiter, "192.0.2.1"), Attempt) for _ in range(3))


def test_attempts_under_way_count_but_do_not_lock():
    limiter = FailureLimiter(RULES)
    attempts = [limiter.begin("192.0.2.1", 0.0) for _ in range(50)]
    begun = [attempt for attempt in attempts if isinstance(attempt, Attempt)]
    assert len(begun) == 3
    assert attempts[3] == Locked(1000, is_new=False)
    for attempt in begun:
        limiter.release(attempt)
    assert isinstance(limiter.begin("192.0.2.1", 0.0), Attempt)


def test_an_attempt_is_settled_once():
    limiter = FailureLimiter(RULES)
    attempt = limiter.begin("192.0.2.1", 0.0)
    assert isinstance(attempt, Attempt)
    for _ in range(9):
        limiter.fail(attempt, 0.0)
        limiter.succeed(attempt, 0.0)
        limiter.release(attempt)
    _fail(limiter, "192.0.2.1")
    assert isinstance(limiter.begin("192.0.2.1", 0.0), Attempt)


def test_many_addresses_share_one_budget_but_known_ones_are_spared():
    limiter = FailureLimiter(RULES)
    _succeed(limiter, "192.0.2.200")
    for last in range(5):
        assert isinstance(_fail(limiter, f"192.0.2.{last}"), Attempt)
    assert limiter.begin("198.51.100.1", 1.0) == Locked(60_000, is_new=True, is_common=True)
    assert limiter.begin("198.51.100.2", 2.0) == Locked(59_000, is_new=False, is_common=True)
    assert isinstance(limiter.begin("192.0.2.200", 2.0), Attempt)
    assert isinstance(limiter.begin("198.51.100.1", 62.0), Attempt)


def test_failures_behind_a_trusted_address_are_not_kept_for_ever():
    limiter = FailureLimiter(RULES)
    for second in range(0, 3_000, 10):
        _succeed(limiter, "192.0.2.1", float(second))
        _fail(limiter, "192.0.2.1", second + 5.0)
    assert len(limiter._common.failures) <= 6
    assert isinstance(limiter.begin("192.0.2.9", 9_000.0), Attempt)


def test_memory_is_bounded_and_forgets_strangers_first():
    limiter = FailureLimiter(LimitRules(max_failures_everywhere=10_000, max_addresses=4))
    _succeed(limiter, "192.0.2.200")
    for number in range(200):
        _fail(limiter, f"198.51.100.{number}")
    assert len(limiter._addresses) == 4
    assert "192.0.2.200" in limiter._addresses


def test_an_address_with_an_attempt_under_way_is_not_forgotten():
    limiter = FailureLimiter(LimitRules(max_addresses=1))
    attempt = limiter.begin("192.0.2.1", 0.0)
    assert isinstance(attempt, Attempt)
    limiter.begin("192.0.2.2", 0.0)
    limiter.fail(attempt, 0.0)
    assert "192.0.2.1" in limiter._addresses


def test_new_rules_keep_what_was_counted():
    limiter = FailureLimiter(RULES)
    _fail(limiter, "192.0.2.1")
    limiter.apply(LimitRules(max_failures=1))
    assert isinstance(limiter.begin("192.0.2.1", 0.0), Locked)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_one_client_is_one_key(address: str, key: str):
    assert address_key(address) == key
