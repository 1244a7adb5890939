"""`usage.*`: what was really used, and days as the Node gateway reads them."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.records_usage import insert_usage
from carapace.methods.usage import _days
from support.agent_house import done
from support.methods import method_house
from support.scripted_provider import say
from support.spending import line

NOTHING = {
    "input": 0,
    "output": 0,
    "cacheRead": 0,
    "cacheWrite": 0,
    "totalTokens": 0,
    "totalCost": 0,
    "missingCostEntries": 0,
}


async def test_a_fresh_house_used_nothing():
    async with method_house() as house:
        cost = await house.call("usage.cost", {"surprise": True})
        status = await house.call("usage.status")
    now_ms = house.clock.now_ms()
    assert cost == {"updatedAt": now_ms, "days": 30, "daily": [], "totals": NOTHING}
    assert status == {"updatedAt": now_ms, "providers": []}


async def test_a_run_is_counted_on_its_day_and_one_without_a_price_says_so():
    async with method_house(say("hi")) as house:
        await done(house.agent_house, "hello")
        cost = await house.call("usage.cost", {"days": 7})
    (today,) = cost["daily"]
    assert (cost["days"], today.pop("date")) == (7, "2026-01-02")
    assert today == cost["totals"]
    assert cost["totals"]["missingCostEntries"] == 1
    assert cost["totals"]["totalTokens"] > 0


async def test_only_the_days_that_were_asked_for_count():
    rows = [line("a", day="2026-01-01"), line("b", day="2025-12-31"), line("c", day="2026-01-02")]
    async with method_house() as house:
        await house.agent_house.database.write(lambda tx: insert_usage(tx, rows))
        two = await house.call("usage.cost", {"days": 2})
        one = await house.call("usage.cost", {"days": 1})
    assert [day["date"] for day in two["daily"]] == ["2026-01-01", "2026-01-02"]
    assert [day["date"] for day in one["daily"]] == ["2026-01-02"]


@pytest.mark.parametrize(
    ("said", "days"),
    [
        *((None, 30), (7, 7), (7.9, 7), ("12", 12), (0, 1), (-5, 1), ("x", 30), ("", 30)),
        *((1e300, 3650), (float("nan"), 30), ("inf", 30)),
    ],
)
def test_days_are_read_as_the_node_gateway_does(said: Any, days: int):
    assert _days(said) == days
