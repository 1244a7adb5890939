from __future__ import annotations

from typing import Any

import msgspec

from carapace.ids import AgentId, SessionKey
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts, heartbeat_off
from carapace.sessions.types import SessionEntry
from carapace.tasks import Tasks
from support.clock import FakeClock


def entry(key: str, updated_at_ms: int) -> SessionEntry:
    return SessionEntry(SessionKey(key), key, AgentId("main"), 0, updated_at_ms)


class Rig:
    """A cache over sessions that a test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.entries: list[SessionEntry] = []
        self.facts = HealthFacts([AgentFacts("main", is_default=True)], None, {})
        self.reads: list[tuple[int, str | None]] = []
        self.tasks = Tasks("test", lambda _name, error: self.died.append(error))
        self.died: list[BaseException] = []
        self.cache = HealthCache(
            self.recent, lambda: self.facts, path="db", clock=self.clock, tasks=self.tasks
        )

    async def recent(self, limit: int, agent_id: str | None) -> tuple[int, list[SessionEntry]]:
        self.reads.append((limit, agent_id))
        return len(self.entries), self.entries[:limit]

    def shown(self) -> Any:
        return msgspec.json.decode(self.cache.answer())


async def test_a_young_answer_costs_no_read() -> None:
    rig = Rig()
    assert await rig.cache.renew() is True
    rig.shown()
    assert len(rig.reads) == 1
    assert rig.cache.version == 1


async def test_an_old_answer_is_given_at_once_and_renewed_beside_it() -> None:
    rig = Rig()
    await rig.cache.renew()
    await rig.clock.advance(2)
    rig.entries.append(entry("agent:main:main", rig.clock.now_ms()))
    assert rig.shown()["sessions"]["count"] == 0
    await rig.clock.advance(0.1)
    assert rig.shown()["sessions"]["count"] == 1
    await rig.tasks.close()


async def test_many_changes_make_one_renewal_more() -> None:
    rig = Rig()
    for _ in range(100):
        rig.cache.changed()
    await rig.clock.advance(1)
    assert 1 <= rig.cache.version <= 2
    assert not rig.died
    await rig.tasks.close()


async def test_only_what_is_not_a_time_makes_a_difference() -> None:
    rig = Rig()
    rig.entries.append(entry("agent:main:main", 5))
    assert await rig.cache.renew() is True
    await rig.clock.advance(1)
    assert await rig.cache.renew() is False
    rig.facts = HealthFacts(rig.facts.agents, "the file is broken", {"store": "disk full"})
    assert await rig.cache.renew() is True
    shown = rig.shown()
    assert (shown["ok"], shown["configIssue"]) == (False, "the file is broken")
    assert shown["degraded"] == {"store": "disk full"}


async def test_each_of_several_agents_is_counted_by_itself() -> None:
    rig = Rig()
    agents = [AgentFacts("main", is_default=True), AgentFacts("work", is_default=False)]
    rig.facts = HealthFacts(agents, None, {})
    await rig.cache.renew()
    assert rig.reads == [(5, None), (5, "main"), (5, "work")]
    assert [one["agentId"] for one in rig.shown()["agents"]] == ["main", "work"]


def test_a_heartbeat_that_is_off_looks_off() -> None:
    off = heartbeat_off()
    assert (off.enabled, off.every, off.every_ms) == (False, "disabled", None)
