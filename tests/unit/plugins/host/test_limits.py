"""A plugin may ask as often as its budgets flow, and no oftener."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.plugins.host.limits import SILENT, Bucket, RateLimits
from carapace.plugins.ports import Rate, Rates

CONTRACT = (
    *("agent", "config", "credentials", "crypto", "http", "inbound", "kv", "log"),
    *("media", "poll", "status", "timers", "websocket"),
)


def test_a_bucket_gives_its_burst_and_then_says_how_long_to_wait():
    bucket = Bucket(Rate(per_s=2.0, burst=3), 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_tokens_flow_back_but_not_above_the_burst():
    bucket = Bucket(Rate(per_s=1.0, burst=2), 0.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_a_clock_that_goes_back_gives_nothing_twice():
    bucket = Bucket(Rate(per_s=1.0, burst=1), 10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) > 0.0
    assert bucket.take(10.5) == pytest.approx(0.5)


@given(st.lists(st.floats(0.0, 1.0), max_size=200))
def test_no_order_of_asking_gets_more_than_burst_and_flow(pauses: list[float]):
    bucket, now_s, given_out = Bucket(Rate(per_s=3.0, burst=5), 0.0), 0.0, 0
    for pause in pauses:
        now_s += pause
        given_out += bucket.take(now_s) == 0.0
    assert given_out <= 5 + 3.0 * now_s + 1e-6


@pytest.mark.parametrize("interface", CONTRACT)
def test_every_interface_of_the_contract_has_a_budget(interface: str):
    assert RateLimits(Rates(), 0.0).take(interface, 0.0) == 0.0


def test_an_interface_that_is_not_in_the_contract_has_none():
    with pytest.raises(KeyError):
        RateLimits(Rates(), 0.0).take("files", 0.0)


def test_what_one_budget_lost_the_others_still_have():
    limits = RateLimits(Rates(http=Rate(per_s=1.0, burst=1)), 0.0)
    assert limits.take("http", 0.0) == 0.0
    assert limits.take("media", 0.0) == pytest.approx(1.0), "one budget for all that goes out"
    assert limits.take("kv", 0.0) == 0.0


def test_the_silent_interfaces_are_part_of_the_contract():
    assert set(CONTRACT) >= SILENT


def test_the_documentation_names_the_budgets_as_they_are():
    page = (Path(__file__).parents[4] / "docs" / "explain" / "plugin-host.md").read_text("utf-8")
    rates = Rates()
    for name in ("http", "inbound", "kv", "log"):
        rate: Rate = getattr(rates, name)
        assert f"| `{name}` | {rate.per_s:g} | {rate.burst} | " in page
    for interface in CONTRACT:
        assert page.count(f"`{interface}`") >= 1, interface
