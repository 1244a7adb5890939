"""The health snapshot: read from memory, renewed beside the requests that read it.

`health` is asked often and by everybody, so asking costs nothing: the answer is bytes that
were encoded before. What changes sessions calls `changed()`; an answer older than a second
starts a renewal, as the Node gateway does, and the caller still gets its answer at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from carapace.channels.accounts.status import ChannelHealth
from carapace.clock import Clock
from carapace.protocol.health import (
    AgentHealth,
    HealthSnapshot,
    HeartbeatHealth,
    RecentSession,
    SessionsHealth,
)
from carapace.sessions.types import SessionEntry
from carapace.tasks import Tasks
from carapace.value import Value

__all__ = ["AgentFacts", "HealthCache", "HealthFacts"]

_ENCODE = msgspec.json.Encoder().encode
_RECENT: Final = 5
_STALE_AFTER_MS: Final = 1_000
_SETTLE_S: Final = 0.05

Recent = Callable[[int, str | None], Awaitable[tuple[int, list[SessionEntry]]]]
"""`recent(limit, agent_id)`: how many sessions, and the newest of them."""


class AgentFacts(Value, frozen=True):
    """A configured agent, as health names it, with its heartbeat."""

    agent_id: str
    is_default: bool
    heartbeat: HeartbeatHealth


class HealthFacts(Value, frozen=True):
    """What health says besides sessions, as it is now.

    Attributes:
        agents: All agents, the default one first.
        config_issue: What is wrong with the configuration file, if something is.
        degraded: Readiness checks that fail, by name.
        channels: The chat services with an account.
    """

    agents: Sequence[AgentFacts]
    config_issue: str | None
    degraded: dict[str, str]
    channels: Sequence[ChannelHealth] = ()


class HealthCache:
    """The newest snapshot and its number.

    Args:
        recent: Reads sessions.
        facts: Tells the rest; called at each renewal.
        path: Where sessions are kept, for display.
        clock: Dates the snapshot.
        tasks: Owns the renewals.
        on_change: Called after a renewal that differs in more than its times.
    """

    def __init__(
        self,
        recent: Recent,
        facts: Callable[[], HealthFacts],
        *,
        path: str,
        clock: Clock,
        tasks: Tasks,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._recent = recent
        self._facts = facts
        self._path = path
        self._clock = clock
        self._tasks = tasks
        self._on_change = on_change
        self._renewing = False
        self._dirty = False
        self._made_at_ms = 0
        self._shape: object = None
        self._raw = msgspec.Raw(b"null")
        self.version = 0

    def answer(self) -> msgspec.Raw:
        """The snapshot, encoded; starts a renewal if it is more than a second old."""
        if self._clock.now_ms() - self._made_at_ms > _STALE_AFTER_MS:
            self._start()
        return self._raw

    def changed(self) -> None:
        """Something health shows has changed: renew soon, once for many changes."""
        self._dirty = True
        self._start()

    async def fresh(self) -> msgspec.Raw:
        """A snapshot made now, encoded; those who listen are told if it differs."""
        if await self.renew():
            self._on_change()
        return self._raw

    async def renew(self) -> bool:
        """Make a new snapshot; True if it differs from the last in more than its times."""
        began = self._clock.monotonic()
        facts = self._facts()
        snapshot = await self._make(facts, began)
        shape = _without_times(snapshot)
        differs = shape != self._shape
        self._shape = shape
        self._raw = msgspec.Raw(_ENCODE(snapshot))
        self._made_at_ms = snapshot.ts
        self.version += 1
        return differs

    def _start(self) -> None:
        if not self._renewing:
            self._renewing = True
            self._tasks.start(self._renew_until_clean(), name="renew health")

    async def _renew_until_clean(self) -> None:
        try:
            while True:
                self._dirty = False
                if await self.renew():
                    self._on_change()
                if not self._dirty:
                    return
                await self._clock.sleep(_SETTLE_S)
        finally:
            self._renewing = False

    async def _make(self, facts: HealthFacts, began: float) -> HealthSnapshot:
        agents: list[AgentHealth] = []
        total, newest = await self._recent(_RECENT, None)
        now_ms = self._clock.now_ms()
        for agent in facts.agents:
            count, recent = (
                (total, newest)
                if len(facts.agents) == 1
                else await self._recent(_RECENT, agent.agent_id)
            )
            agents.append(
                AgentHealth(
                    agent_id=agent.agent_id,
                    is_default=agent.is_default,
                    heartbeat=agent.heartbeat,
                    sessions=self._sessions(count, recent, now_ms),
                )
            )
        return HealthSnapshot(
            ok=not facts.degraded,
            ts=now_ms,
            duration_ms=round((self._clock.monotonic() - began) * 1000),
            channels={one.id: one.as_row() for one in facts.channels},
            channel_order=[one.id for one in facts.channels],
            channel_labels={one.id: one.label for one in facts.channels},
            heartbeat_seconds=(facts.agents[0].heartbeat.every_ms or 0) // 1000,
            default_agent_id=facts.agents[0].agent_id,
            agents=agents,
            sessions=self._sessions(total, newest, now_ms),
            config_issue=facts.config_issue,
            degraded=facts.degraded or None,
        )

    def _sessions(self, count: int, entries: Sequence[SessionEntry], now_ms: int) -> SessionsHealth:
        recent = [
            RecentSession(
                key=entry.key,
                updated_at=entry.updated_at_ms,
                age=max(0, now_ms - entry.updated_at_ms),
            )
            for entry in entries
        ]
        return SessionsHealth(path=self._path, count=count, recent=recent)


def _without_times(snapshot: HealthSnapshot) -> object:
    """What tells two snapshots apart for those who listen to the `health` event."""
    sessions = snapshot.sessions
    return (
        snapshot.ok,
        tuple((name, row["running"], row["lastError"]) for name, row in snapshot.channels.items()),
        snapshot.config_issue,
        snapshot.degraded,
        sessions.count,
        tuple((row.key, row.updated_at) for row in sessions.recent),
        tuple((agent.agent_id, agent.heartbeat.every) for agent in snapshot.agents),
    )
