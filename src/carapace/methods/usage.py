"""`usage.*`: what models were used and what that cost."""

from __future__ import annotations

import math

from carapace.agent.spending import DEFAULT_DAYS, MAX_DAYS
from carapace.methods.context import Context
from carapace.protocol.registry import AnyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.usage import UsageCost, UsageCostParams, UsageStatus

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("usage.status", scope=Scope.READ, lenient=True)
async def usage_status(ctx: Context, params: AnyParams) -> UsageStatus:  # noqa: ARG001 - row shape
    """How far the daily caps of the agents are used up."""
    return await ctx.services.spending.status()


@METHODS.method("usage.cost", scope=Scope.READ, lenient=True)
async def usage_cost(ctx: Context, params: UsageCostParams) -> UsageCost:
    """Tokens and dollars, day by day and together."""
    return await ctx.services.spending.cost(_days(params.days))


def _days(said: float | str | None) -> int:
    """Whole days, as the Node gateway reads them: at least one; nonsense is the default."""
    try:
        number = math.nan if said is None else float(said)
    except ValueError:
        number = math.nan
    if math.isnan(number) or math.isinf(number):
        return DEFAULT_DAYS
    return max(1, math.floor(min(number, MAX_DAYS)))
