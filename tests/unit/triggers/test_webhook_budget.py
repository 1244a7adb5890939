"""Volume and failures are counted apart, and mean different things to tokens and signatures."""

from __future__ import annotations

import pytest

from carapace.auth.limiter import Attempt, LimitRules
from carapace.triggers.webhook_budget import Buckets, BudgetRules, Entry, OwnerBudget, Wait

RULES = BudgetRules(
    per_s=1.0,
    burst=2,
    checks_per_s=1.0,
    checks_burst=2,
    small_bytes=100,
    failures=LimitRules(max_failures=3, max_failures_everywhere=5, lockout_s=60),
    max_addresses=4,
)


def _enter(budget: OwnerBudget, address: str = "192.0.2.1", now_s: float = 0.0, **more: bool):
    return budget.enter(address, is_guessable=more.get("is_guessable", False), now_s=now_s)


def _fail(budget: OwnerBudget, address: str, *, is_guessable: bool = True) -> None:
    attempt = budget.begin(address, is_guessable=is_guessable, now_s=0.0)
    assert isinstance(attempt, Attempt)
    budget.failed(attempt, 0.0)


def test_a_bucket_empties_and_fills():
    buckets = Buckets(per_s=2.0, burst=1, max_keys=2)
    assert buckets.take("a", 0.0) == 0.0
    assert buckets.take("a", 0.0) == 0.5
    assert buckets.take("a", 0.5) == 0.0
    buckets.give_back("a")
    assert buckets.take("a", 0.5) == 0.0
    buckets.give_back("unknown")
    assert len(buckets) == 1


def test_buckets_forget_the_longest_unused():
    buckets = Buckets(per_s=1.0, burst=1, max_keys=2)
    for key in "abca":
        buckets.take(key, 0.0)
    assert len(buckets) == 2
    assert buckets.take("b", 0.0) == 0.0


def test_unproven_volume_makes_a_token_route_wait():
    budget = OwnerBudget(RULES)
    assert [_enter(budget, is_guessable=True) for _ in range(3)] == [
        Entry("192.0.2.1"),
        Entry("192.0.2.1"),
        Wait(1.0),
    ]


def test_proven_volume_costs_nothing():
    budget = OwnerBudget(RULES)
    for _ in range(50):
        entry = _enter(budget, is_guessable=True)
        assert isinstance(entry, Entry)
        attempt = budget.begin("192.0.2.1", is_guessable=True, now_s=0.0)
        assert isinstance(attempt, Attempt)
        budget.passed(entry, attempt, 0.0)


def test_unproven_volume_makes_a_suspect_of_a_signed_sender():
    budget = OwnerBudget(RULES)
    _enter(budget)
    _enter(budget)
    suspect = Entry("192.0.2.1", is_suspect=True, max_bytes=100)
    assert [_enter(budget) for _ in range(3)] == [suspect, suspect, Wait(1.0)]
    assert _enter(budget, "192.0.2.9") == Entry("192.0.2.9")


def test_a_suspect_that_proves_itself_gives_its_check_back():
    budget = OwnerBudget(RULES)
    _enter(budget)
    _enter(budget)
    for _ in range(20):
        entry = _enter(budget)
        assert isinstance(entry, Entry)
        assert entry.is_suspect
        attempt = budget.begin("192.0.2.1", is_guessable=False, now_s=0.0)
        assert isinstance(attempt, Attempt)
        budget.passed(entry, attempt, 0.0)


def test_wrong_tokens_lock_the_address_before_the_next_comparison():
    budget = OwnerBudget(RULES)
    for _ in range(3):
        _fail(budget, "192.0.2.1")
    assert _enter(budget, is_guessable=True) == Wait(60.0, is_new=True)
    assert _enter(budget, is_guessable=True) == Wait(60.0)
    assert budget.begin("192.0.2.1", is_guessable=True, now_s=0.0) == Wait(60.0)
    assert isinstance(_enter(budget, "192.0.2.2", is_guessable=True), Entry)


def test_a_lock_that_comes_between_entry_and_comparison_counts():
    budget = OwnerBudget(RULES)
    assert isinstance(_enter(budget, is_guessable=True), Entry)
    for _ in range(3):
        _fail(budget, "192.0.2.1")
    assert budget.begin("192.0.2.1", is_guessable=True, now_s=0.0) == Wait(60.0, is_new=True)


def test_wrong_signatures_make_a_suspect_and_never_lock():
    budget = OwnerBudget(RULES)
    for _ in range(3):
        _fail(budget, "192.0.2.1", is_guessable=False)
    entry = _enter(budget)
    assert isinstance(entry, Entry)
    assert entry.is_suspect
    assert budget.begin("192.0.2.1", is_guessable=False, now_s=0.0) is None
    budget.failed(None, 0.0)
    budget.passed(entry, None, 0.0)
    assert budget.begin("192.0.2.1", is_guessable=False, now_s=0.0) is None


def test_looking_does_not_count_as_an_attempt():
    budget = OwnerBudget(RULES)
    for at_s in range(20):
        assert isinstance(_enter(budget, now_s=float(at_s), is_guessable=True), Entry)


@pytest.mark.parametrize("prefix", ["2001:db8:0:1::", "2001:db8:0:1:ffff::"])
def test_one_client_is_one_address(prefix: str):
    budget = OwnerBudget(RULES)
    for number in range(2):
        _enter(budget, f"2001:db8:0:1::{number}")
    entry = _enter(budget, f"{prefix}9")
    assert isinstance(entry, Entry)
    assert entry.is_suspect


def test_remembered_addresses_are_bounded():
    budget = OwnerBudget(RULES)
    for number in range(100):
        _enter(budget, f"192.0.2.{number}")
    assert len(budget) == 4
