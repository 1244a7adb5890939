"""An author's host runs real workers and keeps native code for the next time."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.plugins.ports import CapabilityCall, RunPhase
from carapace.plugins.sdk.build import build
from carapace.plugins.sdk.local_host import FolderVault, cache_folder, loaded, local_host
from carapace.plugins.sdk.new import create
from carapace.plugins.sdk.project import open_project


async def test_a_secret_is_made_once_and_for_its_owner(tmp_path: Path):
    vault = FolderVault(tmp_path / "keys")
    assert await vault.get_or_put("key", lambda: "first") == "first"
    assert await vault.get_or_put("key", lambda: "second") == "first"
    assert (tmp_path / "keys" / "key").stat().st_mode & 0o777 == 0o600


def test_native_code_is_kept_where_caches_are():
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/carapace/plugins")
    assert cache_folder({}) == Path.home() / ".cache" / "carapace" / "plugins"


@pytest.mark.slow
async def test_a_built_plugin_runs_and_its_code_is_kept(tmp_path: Path):
    project = open_project(create(tmp_path / "hello", language="c", role="hooks"))
    build(project)
    plugin = loaded(project, {})
    assert plugin.grants.interfaces == {"config", "log", "status"}
    assert plugin.limits.memory_bytes == 64 << 20
    for _ in range(2):
        async with local_host(tmp_path / "cache") as host:
            await host.start(loaded(project, _answers()))
            assert await host.call("hello", "hooks", "points") == ["message_sending"]
        assert host.state("hello").phase is RunPhase.STOPPED
    assert len(list((tmp_path / "cache" / "compiled").glob("*.compiled"))) == 1


def _answers() -> dict[str, CapabilityCall]:
    async def nothing(_function: str, _arguments: list[object]) -> None:
        return None

    return {name: nothing for name in ("config", "log", "status")}  # noqa: C420 - names its type
