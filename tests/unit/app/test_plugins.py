from __future__ import annotations

import sys

import pytest

from carapace.app.plugin_runner import PluginRunner
from carapace.app.plugins import HousePlugins, PluginWorks
from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.kv import KvCapability
from carapace.plugins.package.installer import Installer
from carapace.plugins.package.sources import Sources
from carapace.tasks import Tasks
from support.egress import make_egress
from support.packages import PUBLISHER, contents, write_files
from support.plugin_rooms import plugin_rooms, settings_of


class MemoryVault:
    def __init__(self):
        self.kept = {}

    async def get_or_put(self, name, make):
        return self.kept.setdefault(name, make())


class Rig:
    def __init__(self, folder, rooms_rig):
        self.folder = folder
        self.rooms_rig = rooms_rig
        self.vault = MemoryVault()
        self.built = 0
        self.errors: list[str] = []
        self.tasks = Tasks("test", lambda name, error: self.errors.append(f"{name} {error!r}"))
        self.root = folder / "plugins"
        self.plugins = HousePlugins(
            self.root,
            self.vault,  # pyright: ignore[reportArgumentType] - as much of it as is asked for
            database=rooms_rig.rooms.database,
            tasks=self.tasks,
            build=self.build,
        )

    async def build(self, root, lock_key):
        self.built += 1
        rooms = self.rooms_rig.rooms
        egress, trail = make_egress(self.folder / f"trail-{self.built}")
        runner = PluginRunner(rooms)
        installer = Installer(
            root,
            lock_key,
            sources=Sources(egress, lambda: None),
            settings=lambda: rooms.settings().plugins,
            runtime=runner,
            clock=rooms.clock,
            audit=trail.audit,
        )
        return PluginWorks(installer, runner)

    def package(self, version="1.0.0", **more):
        place = self.folder / f"package-{version}"
        place.mkdir()
        given = contents(plugin_id="parrot", version=version, **more)
        return str(write_files(place, given))

    async def close(self):
        await self.plugins.aclose()
        await self.tasks.close()
        assert self.errors == []


def kv_of(rig):
    rooms = rig.rooms_rig.rooms
    return KvCapability("parrot", rooms.database, clock=rooms.clock, max_bytes=100)


@pytest.fixture
async def rig(tmp_path):
    trusted = {"trustedPublishers": [PUBLISHER]}
    async with plugin_rooms(tmp_path, plugins=trusted) as rooms_rig:
        one = Rig(tmp_path, rooms_rig)
        yield one
        await one.close()


async def test_without_plugins_nothing_is_built(rig):
    await rig.plugins.start()
    rig.plugins.apply()
    await rig.tasks.drain(5)
    assert rig.built == 0
    assert not rig.root.exists()
    assert rig.plugins.trouble() is None
    assert rig.vault.kept == {}
    with pytest.raises(Failed, match="No plugin runs"):
        rig.plugins.guest("parrot", "tool")
    with pytest.raises(Failed, match="No plugin runs"):
        rig.plugins.manifest("parrot", "tool")


async def test_one_is_installed_listed_and_removed_with_what_it_kept(rig):
    report = await rig.plugins.install(rig.package(), accept=True, by="test")
    assert report.state.state == "running"
    assert rig.plugins.guest("parrot", "tool").id == "parrot"
    assert rig.plugins.manifest("parrot", "tool").version == "1.0.0"
    assert [one.id for one in (await rig.plugins.list()).reports] == ["parrot"]
    keep = kv_of(rig)
    assert await keep.call("put", ["k", "v", None]) == 1
    await rig.plugins.remove("parrot", by="test")
    assert (await rig.plugins.list()).reports == ()
    assert await keep.call("get", ["k"]) is None
    assert rig.built == 1


async def test_versions_come_wait_and_go_back(rig):
    await rig.plugins.install(rig.package(), accept=True, by="test")
    rig.rooms_rig.script("1.1.0")
    wider = rig.package("1.1.0", permissions="kv_max_bytes = 10")
    report = await rig.plugins.upgrade("parrot", wider, accept=False, by="test")
    assert report.pending is not None
    used = await rig.plugins.consent("parrot", report.pending.digest, accept=True, by="test")
    assert used is not None
    assert used.version == "1.1.0"
    rig.rooms_rig.script("1.0.0")
    back = await rig.plugins.rollback("parrot", None, accept=False, by="test")
    assert back.version == "1.0.0"
    off = await rig.plugins.switch("parrot", enabled=False, by="test")
    assert off.state.state == "disabled"
    with pytest.raises(Refused, match="does not run"):
        rig.plugins.guest("parrot", "tool")


async def test_what_was_installed_runs_after_a_restart(rig):
    await rig.plugins.install(rig.package(), accept=True, by="test")
    await rig.plugins.aclose()
    assert rig.rooms_rig.host.started == {}
    again = Rig(rig.folder, rig.rooms_rig)
    again.vault = rig.vault
    again.plugins._vault = rig.vault
    await again.plugins.start()
    assert again.plugins.guest("parrot", "tool").id == "parrot"
    await again.close()


async def test_changed_settings_reach_those_that_run(rig):
    await rig.plugins.install(rig.package(), accept=True, by="test")
    rig.rooms_rig.settings = settings_of(
        plugins={"trustedPublishers": [PUBLISHER], "entries": {"parrot": {"enabled": False}}}
    )
    rig.plugins.apply()
    await rig.tasks.drain(5)
    with pytest.raises(Refused, match="does not run"):
        rig.plugins.guest("parrot", "tool")


async def test_a_vault_with_something_else_runs_nothing(rig):
    rig.vault.kept["plugin-lock-key"] = "no key"
    with pytest.raises(Failed, match="plugin-lock-key"):
        await rig.plugins.list()
    rig.root.mkdir()
    await rig.plugins.start()
    assert rig.built == 0


async def test_after_the_end_nothing_is_built_any_more(rig):
    await rig.plugins.aclose()
    await rig.plugins.start()
    with pytest.raises(Failed, match="stopping"):
        await rig.plugins.list()
    assert rig.built == 0


async def test_troubles_are_told_with_their_plugin(rig):
    await rig.plugins.install(rig.package(), accept=True, by="test")
    assert rig.plugins.trouble() is None
    rig.rooms_rig.host.states.clear()
    assert "parrot" in (rig.plugins.trouble() or "")


@pytest.mark.slow
def test_a_gateway_without_plugins_loads_no_engine():
    import subprocess  # noqa: PLC0415 - only here

    code = (
        "import sys, carapace.app.gateway as _; "
        "print([m for m in sys.modules if m.split('.')[0] == 'wasmtime' or m in "
        "('carapace.plugins.host.service', 'carapace.plugins.capabilities.table')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
