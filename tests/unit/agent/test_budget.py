"""A cap holds: before a request, across parallel turns, midnights and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carapace.agent.budget import Budget, Reservation, tokens_of
from carapace.agent.pricing import Price
from carapace.agent.providers.ports import Usage
from carapace.agent.records_usage import insert_usage
from carapace.agent.usage import UsageLine
from carapace.config.settings.agents import AgentsSettings
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.database import memory_database

MAIN = AgentId("main")
PRICE = Price(input=1.0, output=1.0)


def settings(*agents: dict[str, Any], **budget: float) -> AgentsSettings:
    tree = {"defaults": {"budget": budget}, "list": list(agents)}
    return msgspec.convert(tree, AgentsSettings)


@dataclass
class Till:
    budget: Budget
    clock: FakeClock
    database: Database
    metrics: Metrics
    folder: Path

    async def reserve(self, agent: AgentId = MAIN, price: Price | None = PRICE) -> Reservation:
        return await self.budget.reserve(agent, input_tokens=50, max_output_tokens=50, price=price)


@asynccontextmanager
async def till(folder: Path, caps: AgentsSettings) -> AsyncGenerator[Till]:
    clock = FakeClock(datetime(2026, 11, 22, 22, 0, tzinfo=UTC))
    audit = Audit(folder, clock=clock, redactor=Redactor())
    metrics = Metrics("0", with_process=False)
    async with memory_database() as database:
        budget = Budget(database, clock, caps, audit=audit, metrics=metrics)
        yield Till(budget, clock, database, metrics, folder)
    audit.close()


async def test_without_a_cap_nothing_is_ever_refused(tmp_path: Path) -> None:
    async with till(tmp_path, settings()) as it:
        for _ in range(3):
            reservation = await it.reserve()
            reservation.settle(Usage(10**9, 10**9), 10**15)
            assert reservation.left_tokens is None


async def test_a_token_cap_says_what_when_and_where(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyTokens=1_000)) as it:
        first = await it.reserve()
        assert first.left_tokens == 1_000
        first.settle(Usage(600, 300, 50, 50), 0)
        with pytest.raises(Refused) as caught:
            await it.reserve()
        assert caught.value.message == (
            "The daily cap of agent main is used up: 1,000 of 1,000 tokens, running requests "
            "counted. It resets at 2026-11-23 00:00 UTC; to go on before that, raise "
            "agents.defaults.budget.dailyTokens."
        )
        assert caught.value.retry_after_ms == 2 * 3600 * 1000
        assert (
            it.metrics.registry.get_sample_value("carapace_budget_stops_total", {"cap": "tokens"})
            == 1
        )
        assert '"budget.stopped"' in (it.folder / "audit.jsonl").read_text()


async def test_a_dollar_cap_counts_costs(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyUsd=0.5)) as it:
        (await it.reserve()).settle(Usage(1), 500_000_000)
        with pytest.raises(Refused, match=r"\$0\.50 of \$0\.50.*raise agents.*dailyUsd"):
            await it.reserve()


async def test_parallel_turns_overshoot_by_one_request_at_most(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyTokens=250)) as it:
        results: list[Reservation | Refused] = []

        async def turn() -> None:
            try:
                results.append(await it.reserve())
            except Refused as refused:
                results.append(refused)

        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(turn())
        admitted = [item for item in results if isinstance(item, Reservation)]
        assert len(admitted) == 3


async def test_what_was_reserved_and_not_used_comes_back(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyTokens=100)) as it:
        reservation = await it.reserve()
        with pytest.raises(Refused):
            await it.reserve()
        reservation.release()
        reservation.settle(Usage(99), 0)
        (await it.reserve()).release()


async def test_a_new_day_begins_empty_and_old_requests_stay_with_theirs(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyTokens=100)) as it:
        late = await it.reserve()
        await it.clock.advance(2 * 3600)
        fresh = await it.reserve()
        late.settle(Usage(100), 0)
        fresh.release()
        (await it.reserve()).release()


async def test_what_was_spent_before_a_restart_counts(tmp_path: Path) -> None:
    row = UsageLine(
        run_id=RunId("r"),
        provider="p",
        model="m",
        day="2026-11-22",
        agent_id=MAIN,
        session_key=SessionKey("s"),
        at_ms=1,
        requests=1,
        usage=Usage(100),
        cost_nano_usd=7,
    )
    async with till(tmp_path, settings(dailyTokens=100)) as it:
        await it.database.write(lambda tx: insert_usage(tx, [row]))
        with pytest.raises(Refused):
            await it.reserve()
        (await it.reserve(AgentId("work"))).release()


async def test_an_agents_own_cap_goes_before_the_shared_one(tmp_path: Path) -> None:
    own = {"id": "Work", "budget": {"dailyTokens": 10, "dailyUsd": 100}}
    async with till(tmp_path, settings(own, dailyTokens=1_000)) as it:
        work = AgentId("work")
        (await it.reserve(work)).settle(Usage(10), 0)
        with pytest.raises(Refused, match=r"raise budget\.dailyTokens of agent work"):
            await it.reserve(work)
        (await it.reserve(price=None)).release()


async def test_a_raised_cap_holds_from_the_next_request_on(tmp_path: Path) -> None:
    async with till(tmp_path, settings(dailyTokens=10)) as it:
        (await it.reserve()).settle(Usage(10), 0)
        with pytest.raises(Refused):
            await it.reserve()
        it.budget.apply(settings(dailyTokens=1_000))
        (await it.reserve()).release()


def test_a_token_cap_counts_all_kinds() -> None:
    assert tokens_of(Usage(1, 2, 3, 4)) == 10
