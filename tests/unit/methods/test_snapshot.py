"""Health is read from memory and renewed beside its readers."""

from __future__ import annotations

import asyncio

import msgspec

from carapace.channels.accounts.status import ChannelHealth
from carapace.methods.snapshot import AgentFacts, HealthCache, HealthFacts
from carapace.protocol.health import HeartbeatHealth
from carapace.sessions.types import SessionEntry
from carapace.tasks import Tasks
from support.clock import FakeClock

BEAT = HeartbeatHealth(
    enabled=True, every="30m", every_ms=1_800_000, prompt="p", target="last", ack_max_chars=300
)


class House:
    """A cache over facts that a test can change."""

    def __init__(self, *agents: str) -> None:
        self.clock = FakeClock()
        self.tasks = Tasks("test", lambda _name, _error: None)
        self.degraded: dict[str, str] = {}
        self.channels: tuple[ChannelHealth, ...] = ()
        self.asked: list[str | None] = []
        self.gate: asyncio.Event | None = None
        self.agents = agents or ("main",)
        self.cache = HealthCache(
            self.recent,
            self.facts,
            path="p",
            clock=self.clock,
            tasks=self.tasks,
            on_change=lambda: self.told.append(self.clock.now_ms()),
        )
        self.told: list[int] = []

    async def recent(self, limit: int, agent_id: str | None) -> tuple[int, list[SessionEntry]]:
        assert limit == 5
        self.asked.append(agent_id)
        if self.gate is not None:
            await self.gate.wait()
        return 0, []

    def facts(self) -> HealthFacts:
        agents = [AgentFacts(one, one == self.agents[0], BEAT) for one in self.agents]
        return HealthFacts(agents, None, dict(self.degraded), self.channels)


async def test_before_the_first_renewal_there_is_nothing():
    house = House()
    assert bytes(house.cache.answer()) == b"null"
    assert await house.tasks.drain(5)
    assert msgspec.json.decode(house.cache.answer())["ok"]


async def test_an_answer_over_a_second_old_starts_one_renewal_and_comes_at_once():
    house = House()
    await house.cache.renew()
    house.cache.answer()
    assert len(house.tasks) == 0
    await house.clock.advance(1.5)
    old = house.cache.answer()
    assert house.cache.answer() is old
    assert len(house.tasks) == 1
    assert await house.tasks.drain(5)
    assert house.cache.answer() is not old


async def test_a_renewal_that_differs_is_told_and_one_that_does_not_is_not():
    house = House()
    house.cache.changed()
    assert await house.tasks.drain(5)
    assert len(house.told) == 1
    house.cache.changed()
    assert await house.tasks.drain(5)
    assert len(house.told) == 1
    house.degraded["store"] = "full"
    house.cache.changed()
    assert await house.tasks.drain(5)
    assert len(house.told) == 2


async def test_renewing_says_whether_more_than_times_has_changed():
    house = House()
    assert await house.cache.renew()
    await house.clock.advance(5)
    assert not await house.cache.renew()
    house.degraded["store"] = "full"
    assert await house.cache.renew()
    assert house.cache.version == 3


async def test_many_changes_during_a_renewal_make_one_more():
    house = House()
    house.gate = asyncio.Event()
    house.cache.changed()
    await asyncio.sleep(0)
    for _ in range(10):
        house.cache.changed()
    house.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    await house.clock.advance(1)
    assert await house.tasks.drain(5)
    assert house.cache.version == 2


async def test_each_of_several_agents_is_counted_for_itself():
    house = House("main", "work")
    await house.cache.renew()
    assert house.asked == [None, "main", "work"]
    answer = msgspec.json.decode(house.cache.answer())
    assert [(one["agentId"], one["isDefault"]) for one in answer["agents"]] == [
        ("main", True),
        ("work", False),
    ]


async def test_the_heartbeat_of_the_default_agent_is_told_in_seconds():
    house = House()
    await house.cache.renew()
    answer = msgspec.json.decode(house.cache.answer())
    assert answer["heartbeatSeconds"] == 1800
    assert answer["agents"][0]["heartbeat"]["everyMs"] == 1_800_000


async def test_a_fresh_one_is_made_at_once_and_told_if_it_differs():
    house = House()
    await house.cache.renew()
    await house.cache.fresh()
    assert house.told == []
    house.degraded["store"] = "full"
    assert msgspec.json.decode(await house.cache.fresh())["degraded"] == {"store": "full"}
    assert len(house.told) == 1


async def test_channels_are_told_and_an_account_that_ends_is_news():
    house = House()
    account = {"configured": True, "running": True, "lastError": None, "accountId": "default"}
    house.channels = (ChannelHealth(id="zalo", label="Zalo", accounts=(account,)),)
    shown = msgspec.json.decode(await house.cache.fresh())
    assert (shown["channelOrder"], shown["channelLabels"]) == (["zalo"], {"zalo": "Zalo"})
    assert shown["channels"]["zalo"] == {**account, "accounts": {"default": account}}
    assert not await house.cache.renew()
    ended = {**account, "running": False, "lastError": "no line"}
    house.channels = (ChannelHealth(id="zalo", label="Zalo", accounts=(ended,)),)
    assert await house.cache.renew()
