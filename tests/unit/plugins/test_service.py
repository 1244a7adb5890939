from __future__ import annotations

import pytest

from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.service import HEALTH_EVERY_TICKS, PluginService
from support.clock import FakeClock
from support.scripted_host import ScriptedHost, guest_of


def fail(error):
    def script(*arguments):
        raise error

    return script


class Rig:
    def __init__(self):
        self.clock = FakeClock()
        self.changes = 0
        self.host = ScriptedHost(
            {
                "service.start": lambda: None,
                "service.stop": lambda: None,
                "service.tick": lambda now_ms: None,
                "service.health": lambda: None,
                "service.on-timer": lambda name, payload: None,
                "service.on-poll": lambda name, answer, payload: None,
                "service.on-websocket": lambda name, event: None,
            }
        )
        self.service = PluginService(guest_of(self.host), clock=self.clock, on_change=self._changed)

    def _changed(self):
        self.changes += 1

    def count(self, function):
        return len(self.host.made("service", function))

    async def begin(self):
        self.service.begin()
        await self.clock.advance(0)


@pytest.fixture
async def rig():
    one = Rig()
    yield one
    await one.service.aclose()


async def test_it_is_started_and_called_about_once_a_second(rig):
    assert rig.service.trouble() == "it is starting"
    await rig.begin()
    assert rig.service.is_running
    assert rig.service.trouble() is None
    await rig.clock.advance(3)
    assert (rig.count("start"), rig.count("tick")) == (1, 3)
    tick = rig.host.made("service", "tick")[0]
    assert tick.instance == "service"
    assert tick.arguments == (1_767_225_601_000.0,)


async def test_it_is_asked_how_it_is_now_and_then(rig):
    rig.host.script("service.health", lambda: "the token\nexpired")
    await rig.begin()
    await rig.clock.advance(1)
    assert rig.service.trouble() == "the token expired"
    rig.host.script("service.health", lambda: None)
    await rig.clock.advance(HEALTH_EVERY_TICKS)
    assert rig.service.trouble() is None
    assert rig.count("health") == 2
    assert rig.changes == 3


async def test_what_the_gateway_holds_for_it_comes_to_the_same_instance(rig):
    await rig.begin()
    await rig.service.on_timer("t", "p")
    await rig.service.on_poll("q", {"ok": {"status": 200}}, "p")
    await rig.service.on_websocket("w", {"tag": "opened", "value": None})
    last = rig.host.calls[-3:]
    assert [one.function for one in last] == ["on-timer", "on-poll", "on-websocket"]
    assert {one.instance for one in last} == {"service"}


async def test_before_it_runs_nothing_is_taken(rig):
    with pytest.raises(PluginUnavailable):
        await rig.service.on_timer("t", "p")


async def test_after_its_process_was_lost_it_is_started_before_it_hears_more(rig):
    await rig.begin()
    rig.host.lose("parrot")
    with pytest.raises(PluginUnavailable):
        await rig.service.on_timer("t", "p")
    await rig.clock.advance(3)
    assert rig.count("start") == 2
    await rig.service.on_timer("t", "p")


@pytest.mark.parametrize("function", ["tick", "health"])
async def test_a_trap_is_a_new_start(rig, function):
    rig.host.script(f"service.{function}", fail(GuestTrap("memory", "out of it")))
    await rig.begin()
    await rig.clock.advance(1)
    assert "memory" in (rig.service.trouble() or "")
    rig.host.script(f"service.{function}", lambda *arguments: None)
    await rig.clock.advance(2)
    assert rig.count("start") == 2
    assert rig.service.trouble() is None


async def test_a_trap_on_what_is_brought_is_told_and_a_new_start(rig):
    await rig.begin()
    rig.host.script("service.on-timer", fail(GuestTrap("crash", "unreachable")))
    with pytest.raises(GuestTrap):
        await rig.service.on_timer("t", "p")
    assert not rig.service.is_running
    assert "unreachable" in (rig.service.trouble() or "")
    await rig.clock.advance(3)
    assert rig.count("start") == 2


async def test_an_error_of_a_tick_is_its_trouble_and_a_busy_worker_is_none(rig):
    await rig.begin()
    rig.host.script("service.tick", fail(PluginUnavailable("too busy")))
    await rig.clock.advance(1)
    assert rig.service.trouble() is None
    rig.host.script("service.tick", fail(GuestError("x", "no network")))
    await rig.clock.advance(1)
    assert rig.service.trouble() == "no network"
    assert rig.service.is_running


async def test_one_that_does_not_start_is_tried_again_ever_more_rarely(rig):
    rig.host.script("service.start", fail(GuestError("x", "no token")))
    await rig.begin()
    assert rig.service.trouble() == "it does not start: no token"
    assert not rig.service.is_running
    await rig.clock.advance(15)
    assert rig.count("start") == 5  # after 1, 2, 4 and 8 seconds
    await rig.clock.advance(3_600)
    assert rig.count("start") < 25


async def test_after_a_good_minute_old_failures_are_forgotten(rig):
    rig.host.script("service.start", fail(GuestError("x", "no token")))
    await rig.begin()
    await rig.clock.advance(7)
    rig.host.script("service.start", lambda: None)
    await rig.clock.advance(8 + 61)
    rig.host.lose("parrot")
    started = rig.count("start")
    await rig.clock.advance(2)
    assert rig.count("start") == started + 1


async def test_it_is_told_to_stop_and_hears_nothing_after_that(rig):
    await rig.begin()
    await rig.service.aclose()
    await rig.service.aclose()
    assert rig.count("stop") == 1
    ticks = rig.count("tick")
    await rig.clock.advance(5)
    assert rig.count("tick") == ticks
    with pytest.raises(PluginUnavailable):
        await rig.service.on_timer("t", "p")


async def test_it_ends_though_the_guest_does_not_stop(rig):
    rig.host.script("service.stop", fail(GuestTrap("deadline", "interrupt")))
    await rig.begin()
    await rig.service.aclose()
    assert not rig.service.is_running
