"""Hard caps: what an agent may spend in a day, checked before each request.

A request first reserves what it may cost at most, and settles what it did cost. It is
admitted while what is spent and reserved is below the cap; so turns that run side by side
overshoot by one request at most. Days are UTC. What was spent before a restart is read
back from the `usage` table.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from carapace.agent.pricing import NANO_USD, Price, cost_nano_usd, nano_usd
from carapace.agent.providers.ports import Usage
from carapace.agent.records_usage import spent_on
from carapace.agent.usage import day_of
from carapace.clock import Clock
from carapace.config.settings.agents import AgentsSettings
from carapace.errors import Refused
from carapace.ids import AgentId
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["Budget", "CapStanding", "Reservation", "tokens_of"]

_DEFAULT_ANSWER_TOKENS = 8_192


def tokens_of(usage: Usage) -> int:
    """All tokens of a request, whatever their kind; what a token cap counts."""
    return usage.input + usage.output + usage.cache_read + usage.cache_write


@dataclass(slots=True)
class _Account:
    """One agent on one day."""

    tokens: int = 0
    nano_usd: int = 0
    reserved_tokens: int = 0
    reserved_nano_usd: int = 0


@dataclass(slots=True)
class Reservation:
    """What one request may use; settle or release it when the request is over, whatever came.

    Attributes:
        left_tokens: How much of the cap was left before this request, None without a cap.
    """

    _account: _Account
    _tokens: int
    _nano_usd: int
    left_tokens: int | None = None
    _is_open: bool = field(default=True)

    def settle(self, usage: Usage, cost_nano: int) -> None:
        """Charge what it did use; later calls do nothing."""
        if self._is_open:
            self._account.tokens += tokens_of(usage)
            self._account.nano_usd += cost_nano
        self.release()

    def release(self) -> None:
        """Give the reservation back; later calls do nothing."""
        if self._is_open:
            self._is_open = False
            self._account.reserved_tokens -= self._tokens
            self._account.reserved_nano_usd -= self._nano_usd


class CapStanding(Value, frozen=True):
    """How far one daily cap is used up.

    Attributes:
        kind: `tokens` or `usd`.
        used_percent: Of the cap, running requests not counted; at most 100.
        resets_at_ms: When the day ends.
    """

    kind: str
    used_percent: int
    resets_at_ms: int


class _Caps(Value, frozen=True):
    """What holds for one agent, and the settings that say so."""

    tokens: int | None
    nano_usd: int | None
    tokens_setting: str
    usd_setting: str


class Budget:
    """The caps of all agents.

    Args:
        database: For what was spent earlier in the day.
        clock: For the day.
        settings: `agents.*`.
        audit: Gets a line when a cap stops a turn.
        metrics: Counts the same.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: AgentsSettings,
        *,
        audit: Audit,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._audit = audit
        self._metrics = metrics
        self._day = ""
        self._accounts: dict[AgentId, _Account] = {}
        self._loading = asyncio.Lock()

    def apply(self, settings: AgentsSettings) -> None:
        """Take new caps; they hold from the next request on."""
        self._settings = settings

    async def reserve(
        self,
        agent_id: AgentId,
        *,
        input_tokens: int,
        max_output_tokens: int | None,
        price: Price | None,
    ) -> Reservation:
        """Room for one request.

        Args:
            agent_id: Who pays.
            input_tokens: Estimate of the prompt.
            max_output_tokens: Longest answer, None if unbounded.
            price: Of the model; None counts as free, so only a token cap can stop it.

        Raises:
            Refused: If a cap is used up: which, when it resets, and the setting to change.
        """
        caps = self._caps(agent_id)
        account = await self._account(agent_id)
        self._check(agent_id, caps, account)
        most = Usage(input=input_tokens, output=max_output_tokens or _DEFAULT_ANSWER_TOKENS)
        tokens, nano = tokens_of(most), cost_nano_usd(most, price)
        left = None
        if caps.tokens is not None:
            left = caps.tokens - account.tokens - account.reserved_tokens
        account.reserved_tokens += tokens
        account.reserved_nano_usd += nano
        return Reservation(account, tokens, nano, left)

    async def standing(self, agent_id: AgentId) -> tuple[CapStanding, ...]:
        """How far the caps of an agent are used up; empty without a cap."""
        caps = self._caps(agent_id)
        account = await self._account(agent_id)
        resets_at_ms = round(self._reset().timestamp() * 1000)
        return tuple(
            CapStanding(kind, min(100, used * 100 // cap) if cap else 100, resets_at_ms)
            for kind, used, cap in (
                ("tokens", account.tokens, caps.tokens),
                ("usd", account.nano_usd, caps.nano_usd),
            )
            if cap is not None
        )

    def _reset(self) -> datetime:
        """When the next day begins."""
        return datetime.combine(self._clock.now().date() + timedelta(days=1), time(), UTC)

    async def _account(self, agent_id: AgentId) -> _Account:
        day = day_of(self._clock.now())
        if day != self._day:
            async with self._loading:
                if day != self._day:
                    await self._load(day)
        return self._accounts.setdefault(agent_id, _Account())

    async def _load(self, day: str) -> None:
        """Begin `day` with what is on record; open reservations stay with the day before."""
        spent = await self._database.read(lambda tx: spent_on(tx, day))
        self._accounts = {
            agent_id: _Account(tokens_of(total.usage), total.cost_nano_usd)
            for agent_id, total in spent.items()
        }
        self._day = day

    def _check(self, agent_id: AgentId, caps: _Caps, account: _Account) -> None:
        tokens = account.tokens + account.reserved_tokens
        nano = account.nano_usd + account.reserved_nano_usd
        if caps.tokens is not None and tokens >= caps.tokens:
            said = f"{tokens:,} of {caps.tokens:,} tokens"
            raise self._stop(agent_id, "tokens", said, caps.tokens_setting)
        if caps.nano_usd is not None and nano >= caps.nano_usd:
            said = f"${nano / NANO_USD:.2f} of ${caps.nano_usd / NANO_USD:.2f}"
            raise self._stop(agent_id, "usd", said, caps.usd_setting)

    def _stop(self, agent_id: AgentId, cap: str, said: str, setting: str) -> Refused:
        self._audit.record(AuditKind.BUDGET_STOPPED, agent_id=agent_id, cap=cap, used=said)
        self._metrics.budget_stops.labels(cap).inc()
        now, reset = self._clock.now(), self._reset()
        return Refused(
            f"The daily cap of agent {agent_id} is used up: {said}, running requests counted. "
            f"It resets at {reset:%Y-%m-%d %H:%M} UTC; to go on before that, raise {setting}.",
            code="UNAVAILABLE",
            retryable=True,
            retry_after_ms=round((reset - now).total_seconds() * 1000),
        )

    def _caps(self, agent_id: AgentId) -> _Caps:
        shared = self._settings.defaults.budget
        own = next(
            (row.budget for row in self._settings.list if row.id.lower() == agent_id.lower()), None
        )
        tokens, tokens_from = shared.daily_tokens, "agents.defaults.budget.dailyTokens"
        usd, usd_from = shared.daily_usd, "agents.defaults.budget.dailyUsd"
        if own is not None and own.daily_tokens is not None:
            tokens, tokens_from = own.daily_tokens, f"budget.dailyTokens of agent {agent_id}"
        if own is not None and own.daily_usd is not None:
            usd, usd_from = own.daily_usd, f"budget.dailyUsd of agent {agent_id}"
        return _Caps(tokens, None if usd is None else nano_usd(usd), tokens_from, usd_from)
