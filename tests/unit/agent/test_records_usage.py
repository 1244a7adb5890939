"""Usage rows are written once a run and summed by day."""

from __future__ import annotations

from carapace.agent.providers.ports import Usage
from carapace.agent.records_usage import (
    DayTotal,
    day_totals,
    insert_usage,
    prune_usage,
    spent_on,
)
from carapace.agent.usage import UsageLine
from carapace.ids import AgentId, RunId, SessionKey
from support.database import memory_database

MAIN, WORK = AgentId("main"), AgentId("work")


def line(run: str, *, day: str = "2026-11-22", agent: AgentId = MAIN, tokens: int = 1) -> UsageLine:
    return UsageLine(
        run_id=RunId(run),
        provider="fake",
        model="fake-1",
        day=day,
        agent_id=agent,
        session_key=SessionKey("agent:main:main"),
        at_ms=1,
        requests=2,
        usage=Usage(tokens, 2, 3, 4),
        cost_nano_usd=5,
    )


async def test_a_day_is_summed_by_agent_and_over_all() -> None:
    rows = [line("a", tokens=10), line("b", tokens=20), line("c", agent=WORK)]
    rows.append(line("d", day="2026-11-21"))
    async with memory_database() as database:
        await database.write(lambda tx: insert_usage(tx, rows))
        spent = await database.read(lambda tx: spent_on(tx, "2026-11-22"))
        days = await database.read(lambda tx: day_totals(tx, "2026-11-21"))
    assert spent == {
        MAIN: DayTotal("2026-11-22", Usage(30, 4, 6, 8), 10, 4),
        WORK: DayTotal("2026-11-22", Usage(1, 2, 3, 4), 5, 2),
    }
    assert [day.day for day in days] == ["2026-11-21", "2026-11-22"]
    assert days[1].cost_nano_usd == 15


async def test_a_finish_that_is_repeated_counts_once() -> None:
    async with memory_database() as database:
        for _ in range(2):
            await database.write(lambda tx: insert_usage(tx, [line("a")]))
        spent = await database.read(lambda tx: spent_on(tx, "2026-11-22"))
    assert spent[MAIN].requests == 2


async def test_old_rows_can_be_dropped() -> None:
    async with memory_database() as database:
        rows = [line("a", day="2025-01-01"), line("b")]
        await database.write(lambda tx: insert_usage(tx, rows))
        assert await database.write(lambda tx: prune_usage(tx, "2026-01-01")) == 1
        days = await database.read(lambda tx: day_totals(tx, "2000-01-01"))
    assert [day.day for day in days] == ["2026-11-22"]
