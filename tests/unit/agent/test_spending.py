"""Sums of days and standings of caps."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec

from carapace.agent.budget import Budget
from carapace.agent.records_usage import insert_usage
from carapace.agent.spending import Spending
from carapace.config.settings.agents import AgentsSettings
from carapace.ids import AgentId
from carapace.store.ports import Database
from support.agent_house import agent_house
from support.clock import FakeClock
from support.spending import line

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@asynccontextmanager
async def spending(settings: str = "{}") -> AsyncGenerator[tuple[Spending, Database]]:
    clock = FakeClock(NOON)
    agents = msgspec.json.decode(settings, type=AgentsSettings)
    async with agent_house(clock=clock) as house:
        budget = Budget(house.database, clock, agents, audit=house.audit, metrics=house.metrics)
        ids = [AgentId("main"), AgentId("work")]
        made = Spending(house.database, budget, agents=lambda: ids, clock=clock)
        yield made, house.database


async def test_days_are_summed_and_what_has_no_price_is_counted():
    rows = [
        line("a", day="2026-01-01"),
        line("b", day="2026-01-02", cost_nano_usd=1_500_000_000),
        line("c", day="2026-01-02", cost_nano_usd=0, unpriced_requests=2),
    ]
    async with spending() as (spent, database):
        await database.write(lambda tx: insert_usage(tx, rows))
        cost = await spent.cost(30)
    first, second = (msgspec.to_builtins(day) for day in cost.daily)
    assert (first["totalCost"], first["missingCostEntries"]) == (0.5, 0)
    assert (second["totalCost"], second["missingCostEntries"]) == (1.5, 2)
    assert msgspec.to_builtins(cost.totals) == {
        "input": 30,
        "output": 60,
        "cacheRead": 90,
        "cacheWrite": 120,
        "totalTokens": 300,
        "totalCost": 2,
        "missingCostEntries": 2,
    }
    assert isinstance(cost.totals.total_cost, int)


async def test_each_cap_is_a_window_until_the_end_of_the_day():
    settings = (
        '{"defaults": {"budget": {"dailyTokens": 400}}, '
        '"list": [{"id": "work", "budget": {"dailyUsd": 1.0}}]}'
    )
    async with spending(settings) as (spent, database):
        rows = [line("a", day="2026-01-02"), line("b", day="2026-01-02", agent_id="work")]
        await database.write(lambda tx: insert_usage(tx, rows))
        status = msgspec.to_builtins(await spent.status())
    midnight_ms = round(datetime(2026, 1, 3, tzinfo=UTC).timestamp() * 1000)
    assert status["providers"] == [
        {
            "provider": "carapace-cap:main",
            "displayName": "Daily cap of main",
            "windows": [{"label": "Tokens today", "usedPercent": 25, "resetAt": midnight_ms}],
        },
        {
            "provider": "carapace-cap:work",
            "displayName": "Daily cap of work",
            "windows": [
                {"label": "Tokens today", "usedPercent": 25, "resetAt": midnight_ms},
                {"label": "Dollars today", "usedPercent": 50, "resetAt": midnight_ms},
            ],
        },
    ]


async def test_without_caps_there_is_nothing_to_show():
    async with spending() as (spent, _):
        assert (await spent.status()).providers == []
