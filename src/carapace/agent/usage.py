"""What one run used: tokens and cost, model by model, until it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from carapace.agent.pricing import Price, cost_nano_usd
from carapace.agent.providers.ports import Usage
from carapace.ids import AgentId, RunId, SessionKey
from carapace.value import Value

__all__ = ["Priced", "RunUsage", "UsageLine", "add_usage", "day_of"]


class Priced(Protocol):
    """Whom an answer came from and what it costs there; a `ModelTarget` is one."""

    @property
    def provider_name(self) -> str:
        """As in `provider/model`."""
        ...

    @property
    def model_id(self) -> str:
        """The vendor's name of the model."""
        ...

    @property
    def pricing(self) -> Price | None:
        """None if unknown."""
        ...


class UsageLine(Value, frozen=True, kw_only=True):
    """What one run used of one model; becomes a row of `usage`.

    Attributes:
        day: UTC date as `YYYY-MM-DD`, of the moment it is written down.
        at_ms: That moment in milliseconds since 1970.
        requests: How many answers the model gave.
        cost_nano_usd: 10^-9 dollars; 0 where the price is unknown.
        unpriced_requests: How many of the answers had no known price.
    """

    run_id: RunId
    provider: str
    model: str
    day: str
    agent_id: AgentId
    session_key: SessionKey
    at_ms: int
    requests: int
    usage: Usage
    cost_nano_usd: int
    unpriced_requests: int = 0


def day_of(moment: datetime) -> str:
    """The UTC date of an aware moment, `YYYY-MM-DD`."""
    return moment.date().isoformat()


def add_usage(first: Usage, second: Usage) -> Usage:
    """The sum of both, kind by kind."""
    return Usage(
        input=first.input + second.input,
        output=first.output + second.output,
        cache_read=first.cache_read + second.cache_read,
        cache_write=first.cache_write + second.cache_write,
    )


@dataclass(slots=True)
class _Sum:
    """What one model was asked so far."""

    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_nano_usd: int = 0
    unpriced_requests: int = 0


class RunUsage:
    """Adds up one run; the turn tells it each `Usage` event and writes `lines` at the end."""

    __slots__ = ("_by_model", "total", "total_cost_nano_usd")

    def __init__(self) -> None:
        self._by_model: dict[tuple[str, str], _Sum] = {}
        self.total = Usage()
        self.total_cost_nano_usd = 0

    def add(self, target: Priced, usage: Usage) -> int:
        """Count one answer of `target`; its cost in nano-dollars."""
        cost = cost_nano_usd(usage, target.pricing)
        key = (target.provider_name, target.model_id)
        found = self._by_model.setdefault(key, _Sum())
        found.requests += 1
        found.usage = add_usage(found.usage, usage)
        found.cost_nano_usd += cost
        found.unpriced_requests += target.pricing is None
        self.total = add_usage(self.total, usage)
        self.total_cost_nano_usd += cost
        return cost

    def lines(
        self, *, run_id: RunId, agent_id: AgentId, session_key: SessionKey, now: datetime
    ) -> Iterator[UsageLine]:
        """One line for each model that answered."""
        for (provider, model), found in self._by_model.items():
            yield UsageLine(
                run_id=run_id,
                provider=provider,
                model=model,
                day=day_of(now),
                agent_id=agent_id,
                session_key=session_key,
                at_ms=round(now.timestamp() * 1000),
                requests=found.requests,
                usage=found.usage,
                cost_nano_usd=found.cost_nano_usd,
                unpriced_requests=found.unpriced_requests,
            )
