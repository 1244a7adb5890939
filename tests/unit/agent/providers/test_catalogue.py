"""The built-in table is whole and says how old it is."""

from __future__ import annotations

from datetime import date

from carapace.agent.providers.catalogue import well_known


def test_the_table_has_a_date_and_the_three_big_vendors() -> None:
    found = well_known()
    assert found.as_of == date(2026, 11, 22)
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


def test_it_holds_no_prices_because_they_change() -> None:
    assert not [m for v in well_known().vendors.values() for m in v.models if m.price]
