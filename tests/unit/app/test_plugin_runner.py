from __future__ import annotations

import asyncio

import pytest

from carapace.app.plugin_runner import PluginRunner
from carapace.errors import GatewayError, Refused
from carapace.plugins.ports import RunPhase
from support.plugin_rooms import installed, plugin_rooms, settings_of

HOOKED = 'hooks = ["message_sending"]'


def tool(version="1.0.0"):
    return installed(version, roles=("tool", "webhook", "hooks"), permissions=HOOKED)


@pytest.fixture
async def rig(tmp_path):
    async with plugin_rooms(tmp_path) as one:
        yield one


@pytest.fixture
async def runner(rig):
    one = PluginRunner(rig.rooms)
    yield one
    await one.aclose()


async def served(rig):
    answer = await rig.kernel.send("/plugins/parrot")
    return answer.body.decode() if answer.status == 200 else answer.status


async def test_it_runs_and_ends(rig, runner):
    await runner.add(tool())
    assert runner.state("parrot").phase is RunPhase.RUNNING
    assert await served(rig) == "1.0.0"
    assert runner.guest("parrot", "tool").id == "parrot"
    assert runner.manifest("parrot", "tool").version == "1.0.0"
    runner.apply()
    assert list(runner.troubles()) == []
    await runner.remove("parrot")
    await runner.remove("parrot")
    assert runner.state("parrot").phase is RunPhase.STOPPED
    assert await served(rig) == 404


async def test_it_runs_only_once_it_is_in_its_place(rig, runner):
    phases: list[RunPhase] = []
    rig.host.script(
        "hooks.points",
        lambda: phases.append(runner.state("parrot").phase) or ["message_sending"],
    )
    await runner.add(tool())
    assert phases == [RunPhase.STARTING]
    assert runner.state("parrot").phase is RunPhase.RUNNING


async def test_a_new_version_takes_the_place_of_the_old_one(rig, runner):
    await runner.add(tool())
    rig.script("1.1.0")
    await runner.add(tool("1.1.0"))
    assert await served(rig) == "1.1.0"
    assert runner.manifest("parrot", "tool").version == "1.1.0"


async def test_the_same_version_is_started_anew_with_what_holds_now(rig, runner):
    def reaches() -> list[str]:
        capabilities = runner._running["parrot"]._capabilities
        return [one.host.host for one in capabilities._plan.rules.all]

    await runner.add(tool())
    assert reaches() == []
    rules = {"entries": {"parrot": {"http": ["GET https://b.example/**"]}}}
    rig.settings = settings_of(plugins=rules)
    await runner.add(tool())
    assert reaches() == ["b.example"]
    assert await served(rig) == "1.0.0"
    assert list(runner.troubles()) == []


async def test_one_that_does_not_start_leaves_the_old_one_in_place(rig, runner):
    await runner.add(tool())
    rig.host.fails_to_start["parrot"] = "no memory"
    with pytest.raises(GatewayError, match="no memory"):
        await runner.add(tool("1.1.0"))
    assert await served(rig) == "1.0.0"
    assert runner.manifest("parrot", "tool").version == "1.0.0"


async def test_one_that_makes_no_sense_is_undone(rig, runner):
    await runner.add(tool())
    rig.host.script("tool.definitions", lambda: 7)
    rig.host.script("manifest.describe", lambda: {"id": "parrot", "version": "1.1.0"})
    with pytest.raises(Refused, match="defines no tools"):
        await runner.add(tool("1.1.0"))
    assert rig.host.started["parrot"].version == "1.0.0"
    assert await served(rig) == "1.0.0"


async def test_the_first_version_that_makes_no_sense_leaves_nothing(rig, runner):
    rig.host.script("manifest.describe", lambda: 7)
    with pytest.raises(Refused):
        await runner.add(tool())
    assert runner.state("parrot").phase is RunPhase.STOPPED
    assert await served(rig) == 404
    with pytest.raises(Refused, match="does not run"):
        runner.guest("parrot", "tool")


async def test_one_that_cannot_be_put_in_place_gives_way_to_the_old_one(rig, runner):
    await runner.add(tool())
    asked: list[int] = []

    def points():
        asked.append(1)
        return ["nonsense"] if len(asked) == 1 else ["message_sending"]

    rig.host.script("hooks.points", points)
    versions = iter(["1.1.0", "1.0.0"])
    rig.host.script("manifest.describe", lambda: {"id": "parrot", "version": next(versions)})
    with pytest.raises(Refused, match="nonsense"):
        await runner.add(tool("1.1.0"))
    assert runner.manifest("parrot", "tool").version == "1.0.0"
    assert await served(rig) == "1.0.0"


async def test_if_the_old_one_cannot_come_back_nothing_of_it_is_left(rig, runner):
    await runner.add(tool())
    rig.host.script("hooks.points", lambda: ["nonsense"])
    versions = iter(["1.1.0", "1.0.0"])
    rig.host.script("manifest.describe", lambda: {"id": "parrot", "version": next(versions)})
    with pytest.raises(Refused, match="nonsense"):
        await runner.add(tool("1.1.0"))
    assert await served(rig) == 404
    assert runner.state("parrot").phase is RunPhase.STOPPED


async def test_a_role_that_it_has_not_is_refused(runner):
    await runner.add(tool())
    with pytest.raises(Refused, match="no channel"):
        runner.guest("parrot", "channel")


async def test_a_guest_that_hangs_does_not_hold_up_the_end(rig):
    runner = PluginRunner(rig.rooms)
    await runner.add(installed(roles=("service",), permissions=""))
    await rig.host.called("service", "start")
    rig.host.script("service.stop", asyncio.Event().wait)
    await runner.aclose(0.01)
    assert rig.host.started == {}


async def test_when_all_ends_all_ends(rig, runner):
    await runner.add(tool())
    await runner.aclose()
    assert await served(rig) == 404
    assert rig.host.started == {}
