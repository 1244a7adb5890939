"""Costs are whole nano-dollars, rounded up, and 0 where nobody knows the price."""

from __future__ import annotations

import pytest

from carapace.agent.pricing import NANO_USD, Price, cost_nano_usd, nano_usd
from carapace.agent.providers.ports import Usage


def test_a_million_tokens_of_each_kind_cost_the_listed_price() -> None:
    price = Price(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
    usage = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert cost_nano_usd(usage, price) == round(22.05 * NANO_USD)


@pytest.mark.parametrize(
    ("tokens", "price", "nano"), [(1, 0.05, 50), (1, 0.0001, 1), (0, 5.0, 0), (3, 0.1, 300)]
)
def test_one_token_is_never_lost_to_rounding(tokens: int, price: float, nano: int) -> None:
    assert cost_nano_usd(Usage(input=tokens), Price(input=price)) == nano


def test_an_unknown_price_costs_nothing() -> None:
    assert cost_nano_usd(Usage(1000, 1000), None) == 0


def test_dollars_become_nano_dollars() -> None:
    assert nano_usd(0.1) == 100_000_000
