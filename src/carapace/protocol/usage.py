"""What models were used and what that cost: `usage.status`, `usage.cost`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "UsageCost",
    "UsageCostParams",
    "UsageDay",
    "UsageProvider",
    "UsageStatus",
    "UsageTotals",
    "UsageWindow",
]


class UsageCostParams(msgspec.Struct, rename="camel"):
    """Params of `usage.cost`; others are ignored, and nonsense counts as not said."""

    days: Annotated[
        int | float | str | None,
        Meta(description="How many days, today among them; 30 without it."),
    ] = None


class UsageTotals(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Sums. `total_cost` is in US dollars and lacks what `missing_cost_entries` counts."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    total_tokens: int
    total_cost: int | float
    missing_cost_entries: int


class UsageDay(UsageTotals, frozen=True, rename="camel", kw_only=True):
    """One day, `YYYY-MM-DD` in UTC."""

    date: str


class UsageCost(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `usage.cost`: the days on which something was used, oldest first."""

    updated_at: int
    days: int
    daily: list[UsageDay]
    totals: UsageTotals


class UsageWindow(msgspec.Struct, frozen=True, rename="camel"):
    """A span of time with a limit."""

    label: str
    used_percent: int
    reset_at: int


class UsageProvider(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who limits use."""

    provider: str
    display_name: str
    windows: list[UsageWindow]


class UsageStatus(msgspec.Struct, frozen=True, rename="camel"):
    """Result of `usage.status`."""

    updated_at: int
    providers: list[UsageProvider]
