"""The built-in table is whole and says how old it is."""

from __future__ import annotations

from datetime import date

from carapace.agent.pricing import Price
from carapace.agent.providers.catalogue import well_known


def test_the_table_has_a_date_and_the_three_big_vendors() -> None:
    found = well_known()
    assert found.as_of == date(2026, 1, 31)
    assert [name for name, vendor in found.vendors.items() if vendor.keys] == [
        "anthropic",
        "openai",
        "google",
    ]


def test_every_vendor_can_be_reached_or_has_models() -> None:
    for vendor in well_known().vendors.values():
        assert vendor.models or vendor.base_url, vendor.name
        ids = [model.id for model in vendor.models]
        assert len(ids) == len(set(ids))


def test_prices_are_positive_and_output_costs_most() -> None:
    prices = [m.price for v in well_known().vendors.values() for m in v.models if m.price]
    assert prices
    for price in prices:
        assert 0 < price.cache_read < price.input < price.output


def test_a_price_is_found_by_vendor_and_model() -> None:
    assert well_known().price("openai", "gpt-4o") == Price(2.5, 10.0, 1.25)
    assert well_known().price("openai", "unheard-of") is None
    assert well_known().price("mine", "gpt-4o") is None
