"""SQL of usage: write a run's lines, sum a day. Functions over `Tx`, to be composed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carapace.agent.providers.ports import Usage
from carapace.agent.usage import UsageLine
from carapace.ids import AgentId
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = ["DayTotal", "day_totals", "insert_usage", "prune_usage", "spent_on"]

_MAX_DAYS: Final = 3_700

_INSERT: Final = """
INSERT INTO usage (
  run_id, provider, model, day, agent_id, session_key, at_ms, requests,
  input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_nano_usd,
  unpriced_requests
) VALUES (
  :run_id, :provider, :model, :day, :agent_id, :session_key, :at_ms, :requests,
  :input, :output, :cache_read, :cache_write, :cost,
  :unpriced
) ON CONFLICT (run_id, provider, model) DO NOTHING
"""
_SUMS: Final = """
  sum(input_tokens) AS input, sum(output_tokens) AS output,
  sum(cache_read_tokens) AS cache_read, sum(cache_write_tokens) AS cache_write,
  sum(cost_nano_usd) AS cost, sum(requests) AS requests,
  sum(unpriced_requests) AS unpriced
"""
_SPENT: Final = f"SELECT agent_id, {_SUMS} FROM usage WHERE day = ? GROUP BY agent_id"  # noqa: S608 - parts of this file
_DAYS: Final = (
    f"SELECT day, {_SUMS} FROM usage WHERE day >= ? "  # noqa: S608 - parts of this file
    "GROUP BY day ORDER BY day LIMIT ?"
)


class DayTotal(Value, frozen=True):
    """What was used on a day (`YYYY-MM-DD`, UTC), by one agent or by all.

    Attributes:
        unpriced: Answers whose cost is not in `cost_nano_usd`, since nobody knew their price.
    """

    day: str
    usage: Usage
    cost_nano_usd: int
    requests: int
    unpriced: int = 0


def insert_usage(tx: Tx, lines: Iterable[UsageLine]) -> None:
    """Write a run's lines; a run whose finish is repeated counts once."""
    for line in lines:
        usage = line.usage
        tx.execute(
            _INSERT,
            {
                "run_id": line.run_id,
                "provider": line.provider,
                "model": line.model,
                "day": line.day,
                "agent_id": line.agent_id,
                "session_key": line.session_key,
                "at_ms": line.at_ms,
                "requests": line.requests,
                "input": usage.input,
                "output": usage.output,
                "cache_read": usage.cache_read,
                "cache_write": usage.cache_write,
                "cost": line.cost_nano_usd,
                "unpriced": line.unpriced_requests,
            },
        )


def spent_on(tx: Tx, day: str) -> dict[AgentId, DayTotal]:
    """What each agent used on `day`."""
    return {AgentId(row["agent_id"]): _total(day, row) for row in tx.all(_SPENT, (day,))}


def day_totals(tx: Tx, since: str) -> list[DayTotal]:
    """All agents together, day by day from `since` (`YYYY-MM-DD`), oldest first."""
    return [_total(row["day"], row) for row in tx.all(_DAYS, (since, _MAX_DAYS))]


def prune_usage(tx: Tx, before: str) -> int:
    """Drop rows older than the day `before`; how many those were."""
    return tx.execute("DELETE FROM usage WHERE day < ?", (before,))


def _total(day: str, row: Row) -> DayTotal:
    usage = Usage(
        input=row["input"],
        output=row["output"],
        cache_read=row["cache_read"],
        cache_write=row["cache_write"],
    )
    return DayTotal(day, usage, row["cost"], row["requests"], row["unpriced"])
