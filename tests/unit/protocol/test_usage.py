"""Usage on the wire."""

from __future__ import annotations

import msgspec

from carapace.protocol.usage import UsageDay


def test_a_day_has_every_field_that_native_clients_need():
    day = UsageDay(
        date="2026-01-02",
        input=1,
        output=2,
        cache_read=3,
        cache_write=4,
        total_tokens=10,
        total_cost=0,
        missing_cost_entries=0,
    )
    told = msgspec.json.decode(msgspec.json.encode(day))
    assert set(told) == {
        *("date", "input", "output", "cacheRead", "cacheWrite"),
        *("totalTokens", "totalCost", "missingCostEntries"),
    }
