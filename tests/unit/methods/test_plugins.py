"""`plugins.*` answers with how a plugin is, and writes down who asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.config.settings.plugins import PluginsSettings
from carapace.errors import Refused
from carapace.methods.plugins import METHODS
from carapace.protocol.scopes import Scope
from support.methods import MethodHouse, method_house
from support.packages import PUBLISHER, PackageHouse, contents, package_house

WIDER = contents(version="1.1.0", permissions="agent = true")


@pytest.fixture
async def house(tmp_path: Path):
    packages = package_house(tmp_path)
    async with method_house() as one:
        one.plugins.installer = packages.installer
        yield one, packages
    packages.installer.close()
    packages.trail.audit.close()


async def installed(house: MethodHouse, packages: PackageHouse) -> None:
    path = packages.packed(contents())
    await house.call("plugins.install", {"source": path, "accept": True})


def test_all_of_it_is_for_admins():
    assert {row.scope for row in METHODS.values()} == {Scope.ADMIN}


async def test_at_first_there_is_none(house):
    assert await house[0].call("plugins.list") == {"plugins": []}


async def test_a_plugin_waits_and_is_agreed_to(house):
    methods, packages = house
    path = packages.packed(contents())
    answer = await methods.call("plugins.install", {"source": path})
    item = answer["plugin"]
    assert (item["state"], item["signed"], item["publisher"]) == (
        "waits-for-consent",
        True,
        PUBLISHER,
    )
    assert item["pending"]["added"][0] == "be a tool that the assistant may call"
    assert packages.runtime.running == {}
    given = {"id": "hello", "digest": item["pending"]["digest"]}
    done = await methods.call("plugins.consent", given)
    assert (done["plugin"]["state"], "pending" in done["plugin"]) == ("running", False)
    assert (await methods.call("plugins.list"))["plugins"] == [done["plugin"]]


async def test_a_wider_upgrade_is_told_and_let_go_of(house):
    methods, packages = house
    await installed(methods, packages)
    path = packages.packed(WIDER)
    item = (await methods.call("plugins.upgrade", {"id": "hello", "source": path}))["plugin"]
    assert (item["version"], item["state"]) == ("1.0.0", "running")
    assert item["pending"]["added"] == ["start turns of the assistant"]
    given = {"id": "hello", "digest": item["pending"]["digest"], "accept": False}
    assert "pending" not in (await methods.call("plugins.consent", given))["plugin"]


async def test_a_plugin_is_switched_rolled_back_and_removed(house):
    methods, packages = house
    await installed(methods, packages)
    given = {"id": "hello", "source": packages.packed(WIDER), "accept": True}
    assert (await methods.call("plugins.upgrade", given))["plugin"]["rollbacks"] == ["1.0.0"]
    named = {"id": "hello"}
    assert (await methods.call("plugins.rollback", named))["plugin"]["version"] == "1.0.0"
    off = (await methods.call("plugins.disable", named))["plugin"]
    assert (off["state"], off["enabled"]) == ("disabled", False)
    assert (await methods.call("plugins.enable", named))["plugin"]["state"] == "running"
    assert await methods.call("plugins.remove", named) == {"ok": True}
    assert await methods.call("plugins.list") == {"plugins": []}


async def test_a_new_plugin_that_is_let_go_of_is_gone(house):
    methods, packages = house
    path = packages.packed(contents())
    item = (await methods.call("plugins.install", {"source": path}))["plugin"]
    given = {"id": "hello", "digest": item["pending"]["digest"], "accept": False}
    assert await methods.call("plugins.consent", given) == {"ok": True}


async def test_a_refusal_says_by_which_rule(house):
    methods, packages = house
    await installed(methods, packages)
    packages.settings = PluginsSettings()
    await packages.installer.settle()
    (item,) = (await methods.call("plugins.list"))["plugins"]
    assert (item["state"], item["refusal"]) == ("refused", "publisher")
    with pytest.raises(Refused) as caught:
        await methods.call("plugins.install", {"source": packages.packed(WIDER)})
    assert caught.value.details == {"reason": "publisher"}


async def test_a_list_that_cannot_be_trusted_is_told(house):
    methods, packages = house
    await installed(methods, packages)
    (packages.root / "lock.json").write_text("{}")
    answer = await methods.call("plugins.list")
    assert answer["plugins"] == []
    assert "cannot be trusted" in answer["trouble"]


async def test_who_asked_is_written_down(house):
    methods, packages = house
    await installed(methods, packages)
    line = next(one for one in packages.trail.lines() if one["kind"] == "plugin.installed")
    assert line["by"].strip()
    assert line["by"].split()[0] in (packages.root / "log.jsonl").read_text()
