"""Tick, health, presence and goodbye, on a clock that stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.auth.presence import Presence
from carapace.auth.types import Origin
from carapace.protocol.events import Event
from carapace.protocol.scopes import Role
from carapace.server.hub import Hub
from carapace.server.lifecycle import Announcer
from carapace.tasks import Tasks
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.link import FakeLink
from support.server import HEALTH, Source, audit_in, client_info, make_caller, own_entry

HERE = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="localhost")


class Stage:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.hub = Hub(metrics=Metrics("t", with_process=False), audit=audit_in(folder))
        self.presence = Presence(own_entry())
        self.tasks = Tasks("test", lambda name, error: pytest.fail(f"{name}: {error}"))
        self.announcer = Announcer(
            self.hub,
            source=Source(self.presence, self.clock),
            presence=self.presence,
            clock=self.clock,
            tasks=self.tasks,
            tick_interval_s=30,
            missed=lambda: (Event("chat", {"runId": "r1", "state": "error"}),),
        )
        self.link = FakeLink(make_caller("a", scopes=("operator.read",)))
        self.hub.join(self.link)

    def heard(self, name: str) -> list[dict]:
        return [frame for frame in self.link.frames if frame["event"] == name]


@pytest.fixture
async def stage(tmp_path: Path):
    stage = Stage(tmp_path)
    stage.announcer.start()
    yield stage
    await stage.tasks.close()


async def test_a_tick_comes_every_interval_with_a_whole_number(stage):
    await stage.clock.advance(95)
    ticks = stage.heard("tick")
    assert len(ticks) == 3
    assert all(isinstance(tick["payload"]["ts"], int) for tick in ticks)


async def test_each_tick_sweeps_clients_that_do_not_read(stage):
    stage.link.stalled_s = 100.0
    await stage.clock.advance(30)
    assert stage.link.closed == (1008, "slow consumer")


async def test_health_comes_every_minute_with_its_version(stage):
    await stage.clock.advance(61)
    (health,) = stage.heard("health")
    assert health["payload"]["ok"] is True
    assert bytes(HEALTH)
    assert health["stateVersion"] == {"presence": 1, "health": 1}


async def test_a_change_of_health_is_told_at_once_and_many_as_one(stage):
    stage.announcer.health_changed()
    await stage.clock.advance(0)
    for _ in range(50):
        stage.announcer.health_changed()
    await stage.clock.advance(0.5)
    assert len(stage.heard("health")) == 1
    await stage.clock.advance(1)
    assert len(stage.heard("health")) == 2


async def test_a_storm_of_connects_makes_few_presence_events(stage):
    for number in range(150):
        stage.announcer.joined(make_caller(f"s{number}"), HERE)
        await stage.clock.advance(0.001)
    await stage.clock.advance(2)
    events = stage.heard("presence")
    assert 2 <= len(events) <= 3
    assert len(events[-1]["payload"]["presence"]) == 151
    assert events[-1]["stateVersion"]["presence"] == stage.presence.version


async def test_leaving_is_told_too(stage):
    caller = make_caller("b")
    stage.announcer.joined(caller, HERE)
    await stage.clock.advance(2)
    stage.announcer.left(caller)
    await stage.clock.advance(2)
    assert stage.heard("presence")[-1]["payload"]["presence"][1]["reason"] == "disconnect"


async def test_command_line_clients_make_no_presence_event(stage):
    caller = make_caller("b", client=client_info("cli", id="cli"))
    stage.announcer.joined(caller, HERE)
    stage.announcer.left(caller)
    await stage.clock.advance(2)
    assert stage.heard("presence") == []


async def test_nothing_is_made_for_nobody(stage):
    stage.hub.leave(stage.link)
    stage.announcer.joined(make_caller("b"), HERE)
    stage.announcer.health_changed()
    await stage.clock.advance(2)
    assert stage.link.frames == []


async def test_the_end_is_announced_and_then_closes_with_1012(stage):
    stage.announcer.shutdown("restart", 1500)
    assert stage.heard("shutdown")[0]["payload"] == {
        "reason": "restart",
        "restartExpectedMs": 1500,
    }
    stage.announcer.shutdown("stop")
    assert stage.heard("shutdown")[1]["payload"] == {"reason": "stop"}
    stage.announcer.goodbye()
    assert stage.link.closed == (1012, "service restart")


async def test_who_comes_back_hears_what_it_missed_and_nobody_else_does(stage):
    back = FakeLink(make_caller("b", scopes=("operator.read",)))
    stage.hub.join(back)
    stage.announcer.welcome(back.caller)
    (told,) = back.frames
    assert (told["event"], told["payload"]["runId"], told["seq"]) == ("chat", "r1", 1)
    assert stage.heard("chat") == []


@pytest.mark.parametrize(
    ("role", "scopes"), [(Role.NODE, ()), (Role.OPERATOR, ("operator.pairing",))]
)
async def test_who_may_not_read_chats_is_not_told_of_them_on_return(stage, role, scopes):
    back = FakeLink(make_caller("b", role=role, scopes=scopes))
    stage.hub.join(back)
    stage.announcer.welcome(back.caller)
    assert back.frames == []


async def test_a_change_of_presence_from_elsewhere_is_told(stage):
    stage.announcer.presence_changed()
    await stage.clock.advance(2)
    assert len(stage.heard("presence")) == 1
