"""Plugins come and go while the gateway runs; what is wrong with a new one leaves the old one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carapace.config.settings.plugins import PluginEntry, PluginsSettings
from carapace.errors import Failed
from carapace.plugins.package import installer as unit
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import (
    KEY,
    OTHER_KEY,
    PUBLISHER,
    PackageHouse,
    contents,
    package_house,
)

NET = 'http = ["GET https://a.example/v1/**"]'
WIDER = 'http = ["GET,POST https://a.example/v1/**"]'


@pytest.fixture
def house(tmp_path: Path):
    made = package_house(tmp_path)
    yield made
    made.installer.close()
    made.trail.audit.close()


async def installed(house: PackageHouse, version: str = "1.0.0", permissions: str = NET):
    path = house.packed(contents(version=version, permissions=permissions))
    return await house.installer.install(path, accept=True, by="anna")


async def only(house: PackageHouse):
    (found,) = (await house.installer.list()).reports
    return found


async def refused(work) -> PluginRefused:
    with pytest.raises(PluginRefused) as caught:
        await work
    return caught.value


async def test_a_new_plugin_waits_until_somebody_agrees(house: PackageHouse):
    path = house.packed(contents(permissions=NET))
    found = await house.installer.install(path, by="anna")
    assert found.state.state == "waits-for-consent"
    assert found.pending is not None
    assert "send requests: GET https://a.example/v1/**" in found.pending.added
    assert house.runtime.running == {}
    used = await house.installer.consent("hello", found.pending.digest, by="anna")
    assert used is not None
    assert (used.state.state, used.pending) == ("running", None)
    assert house.runtime.running == {"hello": "1.0.0"}


async def test_consent_is_to_what_was_shown_and_nothing_else(house: PackageHouse):
    await house.installer.install(house.packed(contents()), by="anna")
    error = await refused(house.installer.consent("hello", "ab" * 32, by="anna"))
    assert error.refusal is Refusal.UNKNOWN
    assert house.runtime.running == {}


async def test_who_knows_what_it_asks_for_agrees_at_once(house: PackageHouse):
    found = await installed(house)
    assert found.state.state == "running"
    assert found.kept_at_ms == house.clock.now_ms()
    lines = [one for one in house.trail.lines() if one["kind"] == "plugin.installed"]
    assert [(one["plugin"], one["event"], one["by"]) for one in lines] == [
        ("hello", "installed", "anna")
    ]


async def test_an_upgrade_that_asks_for_no_more_is_used_at_once(house: PackageHouse):
    await installed(house)
    path = house.packed(contents(version="1.1.0", permissions=NET))
    found = await house.installer.upgrade("hello", path, by="anna")
    assert (found.version, found.rollbacks) == ("1.1.0", ("1.0.0",))
    assert house.runtime.told == [("add", "1.0.0"), ("add", "1.1.0")]


async def test_an_upgrade_that_asks_for_more_leaves_the_old_one_running(house: PackageHouse):
    await installed(house)
    path = house.packed(contents(version="1.1.0", permissions=WIDER))
    found = await house.installer.upgrade("hello", path, by="anna")
    assert (found.version, found.state.state) == ("1.0.0", "running")
    assert found.pending is not None
    assert found.pending.added == ("send requests: GET,POST https://a.example/v1/**",)
    assert house.runtime.running == {"hello": "1.0.0"}
    used = await house.installer.consent("hello", found.pending.digest, by="anna")
    assert used is not None
    assert used.version == "1.1.0"


async def test_somebody_says_no_and_nothing_changes(house: PackageHouse):
    await installed(house)
    path = house.packed(contents(version="1.1.0", permissions=WIDER))
    found = await house.installer.upgrade("hello", path, by="anna")
    assert found.pending is not None
    left = await house.installer.consent("hello", found.pending.digest, accept=False, by="anna")
    assert left is not None
    assert (left.version, left.pending) == ("1.0.0", None)
    assert house.runtime.running == {"hello": "1.0.0"}


async def test_saying_no_to_a_new_plugin_leaves_nothing_of_it(house: PackageHouse):
    found = await house.installer.install(house.packed(contents()), by="anna")
    assert found.pending is not None
    gone = await house.installer.consent("hello", found.pending.digest, accept=False, by="anna")
    assert gone is None
    assert (await house.installer.list()).reports == ()
    assert list((house.root / "store").iterdir()) == []


async def test_a_new_version_that_does_not_start_is_not_used(house: PackageHouse):
    await installed(house)
    house.runtime.broken.add("1.1.0")
    path = house.packed(contents(version="1.1.0", permissions=NET))
    error = await refused(house.installer.upgrade("hello", path, by="anna"))
    assert error.refusal is Refusal.RUNTIME
    assert "it imports what it may not" in error.message
    found = await only(house)
    assert (found.version, found.state.state) == ("1.0.0", "running")
    assert house.runtime.running == {"hello": "1.0.0"}


async def test_a_version_that_could_not_be_written_down_is_taken_back(
    house: PackageHouse, monkeypatch
):
    await installed(house)

    def full(*_given: object, **_named: object) -> None:
        raise Failed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(unit.Installed, "activate", full)
        path = house.packed(contents(version="1.1.0", permissions=NET))
        with pytest.raises(Failed, match="disk is full"):
            await house.installer.upgrade("hello", path, by="anna")
    assert house.runtime.running == {"hello": "1.0.0"}


async def test_without_a_source_it_is_upgraded_from_where_it_came(house: PackageHouse):
    await installed(house)
    house.packed(contents(version="1.2.0", permissions=NET))
    assert (await house.installer.upgrade("hello", by="anna")).version == "1.2.0"


async def test_a_package_of_another_plugin_is_no_upgrade(house: PackageHouse):
    await installed(house)
    path = house.packed(contents(plugin_id="other"), "other")
    error = await refused(house.installer.upgrade("hello", path, by="anna"))
    assert error.refusal is Refusal.SOURCE
    assert house.trail.lines()[-1]["kind"] == "plugin.refused"
    assert (await refused(house.installer.upgrade("no", path, by="x"))).refusal is Refusal.UNKNOWN


async def test_the_same_again_changes_nothing(house: PackageHouse):
    await installed(house)
    told = list(house.runtime.told)
    found = await house.installer.install(house.packed(contents(permissions=NET)), by="anna")
    assert (found.state.state, found.pending) == ("running", None)
    assert house.runtime.told == told


async def test_an_older_version_is_refused(house: PackageHouse):
    await installed(house, "1.1.0")
    path = house.packed(contents(version="1.0.0", permissions=NET))
    error = await refused(house.installer.install(path, accept=True, by="anna"))
    assert error.refusal is Refusal.OLDER
    assert house.trail.lines()[-1]["reason"] == "older"


async def test_one_goes_back_to_the_version_before_and_forth_again(house: PackageHouse):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        await installed(house, version)
    found = await house.installer.rollback("hello", by="anna")
    assert (found.version, found.rollbacks) == ("1.1.0", ("1.2.0", "1.0.0"))
    assert (await house.installer.rollback("hello", "1.0.0", by="anna")).version == "1.0.0"
    assert house.runtime.running == {"hello": "1.0.0"}
    found = await house.installer.install(
        house.packed(contents(version="1.2.0", permissions=NET)), by="anna"
    )
    assert found.version == "1.2.0"


async def test_nobody_goes_back_where_there_is_nothing(house: PackageHouse):
    await installed(house)
    error = await refused(house.installer.rollback("hello", by="anna"))
    assert "kept and allowed: none" in error.message
    await installed(house, "1.1.0")
    error = await refused(house.installer.rollback("hello", "0.1.0", by="anna"))
    assert "kept and allowed: 1.0.0" in error.message


async def test_a_floor_lets_nobody_below_it(house: PackageHouse):
    await installed(house)
    given = contents(version="1.1.0", permissions=NET, more='rollback_floor = "1.1.0"')
    found = await house.installer.install(house.packed(given), by="anna")
    assert found.rollbacks == ()
    assert (await refused(house.installer.rollback("hello", by="x"))).refusal is Refusal.UNKNOWN


async def test_going_back_to_more_permissions_needs_a_word(house: PackageHouse):
    await installed(house, "1.0.0", WIDER)
    await installed(house, "1.1.0", NET)
    error = await refused(house.installer.rollback("hello", by="anna"))
    assert error.refusal is Refusal.CONSENT
    assert "GET,POST" in error.message
    found = await house.installer.rollback("hello", accept=True, by="anna")
    assert found.version == "1.0.0"


async def test_it_is_switched_off_and_on_and_stays_so(house: PackageHouse, tmp_path: Path):
    await installed(house)
    found = await house.installer.switch("hello", enabled=False, by="anna")
    assert (found.state.state, found.enabled) == ("disabled", False)
    assert "cara plugin enable hello" in found.state.reason
    assert house.runtime.running == {}
    again = package_house(tmp_path)
    await again.installer.settle()
    assert again.runtime.running == {}
    again.installer.close()
    assert (await house.installer.switch("hello", enabled=True, by="x")).state.state == "running"
    kinds = [one["kind"] for one in house.trail.lines()]
    assert kinds.count("plugin.switched") == 2


async def test_an_upgrade_of_a_disabled_plugin_does_not_run_it(house: PackageHouse):
    await installed(house)
    await house.installer.switch("hello", enabled=False, by="anna")
    found = await installed(house, "1.1.0")
    assert (found.version, found.state.state) == ("1.1.0", "disabled")
    assert house.runtime.running == {}


async def test_a_removed_plugin_is_gone(house: PackageHouse):
    await installed(house)
    await house.installer.remove("hello", by="anna")
    assert (await house.installer.list()).reports == ()
    assert house.runtime.running == {}
    assert (await refused(house.installer.remove("hello", by="x"))).refusal is Refusal.UNKNOWN
    assert house.trail.lines()[-1]["kind"] == "plugin.removed"


async def test_after_a_restart_everything_runs_again(house: PackageHouse, tmp_path: Path):
    await installed(house)
    again = package_house(tmp_path)
    await again.installer.settle()
    assert again.runtime.running == {"hello": "1.0.0"}
    await again.installer.settle()
    assert again.runtime.told == [("add", "1.0.0")]
    again.installer.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (PluginsSettings(enabled=False, trusted_publishers=(PUBLISHER,)), "plugins.enabled"),
        (
            PluginsSettings(
                trusted_publishers=(PUBLISHER,), entries={"hello": PluginEntry(enabled=False)}
            ),
            "plugins.entries.hello.enabled",
        ),
    ],
)
async def test_a_setting_ends_it_at_once(house: PackageHouse, settings, reason):
    await installed(house)
    house.settings = settings
    await house.installer.settle()
    assert house.runtime.running == {}
    found = await only(house)
    assert found.state.state == "disabled"
    assert reason in found.state.reason


def reaching(*rules: str) -> PluginsSettings:
    entry = PluginEntry(http=rules)
    return PluginsSettings(trusted_publishers=(PUBLISHER,), entries={"hello": entry})


async def test_it_is_started_anew_when_the_operators_rules_for_requests_change(house: PackageHouse):
    await installed(house)
    for rules in (("GET https://b.example/**",), ("GET https://b.example/**",), ()):
        house.settings = reaching(*rules)
        await house.installer.settle()
    assert house.runtime.told == [("add", "1.0.0")] * 3
    assert (await only(house)).state.state == "running"


async def test_it_does_not_go_on_by_rules_that_were_taken_back(house: PackageHouse):
    await installed(house)
    house.settings = reaching("GET https://b.example/**")
    await house.installer.settle()
    house.runtime.broken.add("1.0.0")
    house.settings = reaching("what is this")
    await house.installer.settle()
    assert house.runtime.running == {}
    assert (await only(house)).state.refusal is Refusal.RUNTIME


async def test_whom_nobody_trusts_any_more_is_ended(house: PackageHouse):
    await installed(house)
    house.settings = PluginsSettings()
    await house.installer.settle()
    assert house.runtime.running == {}
    found = await only(house)
    assert (found.state.state, found.state.refusal) == ("refused", Refusal.PUBLISHER)
    house.settings = PluginsSettings(trusted_publishers=(PUBLISHER,))
    await house.installer.settle()
    assert (await only(house)).state.state == "running"


async def test_one_that_does_not_start_keeps_nothing_else_from_running(
    house: PackageHouse, tmp_path: Path
):
    await installed(house)
    path = house.packed(contents(plugin_id="other", version="2.0.0"))
    await house.installer.install(path, accept=True, by="anna")
    again = package_house(tmp_path)
    again.runtime.broken.add("2.0.0")
    await again.installer.settle()
    assert again.runtime.running == {"hello": "1.0.0"}
    reports = (await again.installer.list()).reports
    assert [one.state.state for one in reports] == ["running", "refused"]
    assert "it imports what it may not" in reports[1].state.reason
    again.installer.close()


async def test_with_a_broken_list_nothing_runs(house: PackageHouse):
    await installed(house)
    (house.root / "lock.json").write_text("{}\n")
    await house.installer.settle()
    assert house.runtime.running == {}
    found = await house.installer.list()
    assert found.reports == ()
    assert "cannot be trusted" in (found.trouble or "")


async def test_unsigned_plugins_are_marked(house: PackageHouse, monkeypatch):
    warned: list[str] = []
    monkeypatch.setattr(
        type(unit._log), "warning", lambda _self, event, **_fields: warned.append(event)
    )
    path = house.packed(contents(key=None))
    assert (await refused(house.installer.install(path, by="x"))).refusal is Refusal.UNSIGNED
    house.settings = PluginsSettings(allow_unsigned=True)
    found = await house.installer.install(path, by="anna")
    assert found.publisher is None
    assert found.pending is not None
    assert found.pending.added[0] == "run although nobody signed it"
    assert warned == []
    await house.installer.consent("hello", found.pending.digest, by="anna")
    assert warned == ["an unsigned plugin runs"]


async def test_another_publisher_does_not_inherit_consent(house: PackageHouse):
    await installed(house)
    other = contents(version="1.1.0", permissions=NET, key=OTHER_KEY)
    name = other.manifest.decode().partition('publisher = "')[2].partition('"')[0]
    house.settings = PluginsSettings(trusted_publishers=(PUBLISHER, name))
    found = await house.installer.install(house.packed(other), by="anna")
    assert found.version == "1.0.0"
    assert found.pending is not None
    assert found.pending.added == (f"come from another publisher than before: {name}",)


async def test_where_it_came_from_is_kept_as_a_name_of_the_registry(
    house: PackageHouse, monkeypatch
):
    async def fetch(_self: object, _source: object):
        return contents(key=KEY)

    monkeypatch.setattr(unit.Sources, "fetch", fetch)
    found = await house.installer.install("hello@1.0.0", accept=True, by="anna")
    assert found.source == "hello"


async def test_two_at_once_take_turns(house: PackageHouse):
    await installed(house)
    path = house.packed(contents(version="1.1.0", permissions=NET), "new")
    async with asyncio.TaskGroup() as group:
        group.create_task(house.installer.upgrade("hello", path, by="anna"))
        group.create_task(house.installer.switch("hello", enabled=False, by="otto"))
    assert (await only(house)).version == "1.1.0"
    assert house.runtime.running == {}


async def test_nobody_waits_for_ever(house: PackageHouse, monkeypatch):
    await installed(house)
    monkeypatch.setattr(unit, "_TURN_DEADLINE_S", 0.01)
    async with house.installer._busy:
        with pytest.raises(Failed, match="Plugins are busy"):
            await house.installer.remove("hello", by="anna")
