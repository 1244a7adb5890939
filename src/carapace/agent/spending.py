"""What was used and what it cost, for operators: day by day, and how far caps are used up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from msgspec import structs

from carapace.agent.budget import Budget, tokens_of
from carapace.agent.pricing import NANO_USD
from carapace.agent.records_usage import DayTotal, day_totals
from carapace.agent.usage import day_of
from carapace.clock import Clock
from carapace.ids import AgentId
from carapace.protocol.usage import (
    UsageCost,
    UsageDay,
    UsageProvider,
    UsageStatus,
    UsageTotals,
    UsageWindow,
)
from carapace.store.ports import Database

__all__ = ["DEFAULT_DAYS", "MAX_DAYS", "Spending"]

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 3_650
_LABELS: Final = {"tokens": "Tokens today", "usd": "Dollars today"}


class Spending:
    """Reads what runs wrote down.

    Args:
        database: Where they wrote it.
        budget: The daily caps.
        agents: All agents there are.
        clock: For the day; days are UTC.
    """

    def __init__(
        self,
        database: Database,
        budget: Budget,
        *,
        agents: Callable[[], Sequence[AgentId]],
        clock: Clock,
    ) -> None:
        self._database = database
        self._budget = budget
        self._agents = agents
        self._clock = clock

    async def cost(self, days: int) -> UsageCost:
        """The last `days` days, today among them; days without a request are left out."""
        since = day_of(self._clock.now() - timedelta(days=days - 1))
        found = await self._database.read(lambda tx: day_totals(tx, since))
        return UsageCost(
            updated_at=self._clock.now_ms(),
            days=days,
            daily=[UsageDay(date=one.day, **structs.asdict(_totals([one]))) for one in found],
            totals=_totals(found),
        )

    async def status(self) -> UsageStatus:
        """How far the daily caps of the agents are used up.

        Vendors tell the rest of a subscription only to who signed in with one; here are keys,
        so the caps of the house are what there is to show.
        """
        shown: list[UsageProvider] = []
        for agent_id in self._agents():
            caps = await self._budget.standing(agent_id)
            windows = [
                UsageWindow(
                    label=_LABELS[one.kind],
                    used_percent=one.used_percent,
                    reset_at=one.resets_at_ms,
                )
                for one in caps
            ]
            if windows:
                name = f"Daily cap of {agent_id}"
                shown.append(
                    UsageProvider(
                        provider=f"carapace-cap:{agent_id}", display_name=name, windows=windows
                    )
                )
        return UsageStatus(updated_at=self._clock.now_ms(), providers=shown)


def _totals(days: Sequence[DayTotal]) -> UsageTotals:
    """The sums of some days."""
    return UsageTotals(
        input=sum(one.usage.input for one in days),
        output=sum(one.usage.output for one in days),
        cache_read=sum(one.usage.cache_read for one in days),
        cache_write=sum(one.usage.cache_write for one in days),
        total_tokens=sum(tokens_of(one.usage) for one in days),
        total_cost=_dollars(sum(one.cost_nano_usd for one in days)),
        missing_cost_entries=sum(one.unpriced for one in days),
    )


def _dollars(nano_usd: int) -> int | float:
    """Dollars; a whole number where they are whole."""
    whole, rest = divmod(nano_usd, NANO_USD)
    return nano_usd / NANO_USD if rest else whole
