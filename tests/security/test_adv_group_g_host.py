"""Advisories of group G (plugins), as far as the host is concerned."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.worker import worker_environment
from carapace.plugins.ports import LoadedPlugin, RunPhase
from support.plugin_compiler import COMMAND as COMPILER
from support.plugin_house import HouseUnderTest, a_plugin

pytestmark = pytest.mark.slow  # starts processes


def hosted(folder: Path) -> WorkerHost:
    house = HouseUnderTest(folder)
    cache = AotCache(folder / "cache", b"k" * 32, audit=house.trail.audit)
    artifacts = CompiledPlugins(cache, Compiler(COMPILER, timeout_s=1.0))
    return WorkerHost(replace(house.house, artifacts=artifacts))


def installed(folder: Path, wasm: bytes) -> LoadedPlugin:
    path = folder / "plugin.wasm"
    path.write_bytes(wasm)
    return dataclasses.replace(a_plugin(), wasm=path, wasm_sha256=hashlib.sha256(wasm).hexdigest())


@pytest.mark.parametrize("wasm", [b"refuse", b"crash", b"hang", b"nonsense", b"short"])
async def test_adv_g05_a_plugin_whose_check_fails_in_any_way_does_not_run(
    tmp_path: Path, wasm: bytes
):
    """A checker that refuses, dies, hangs or talks nonsense never means yes."""
    host = hosted(tmp_path)
    with pytest.raises(PluginUnavailable):
        await host.start(installed(tmp_path, wasm))
    assert host.state("hello").phase is RunPhase.STOPPED
    assert not (tmp_path / "cache").exists()
    await host.aclose()


async def test_adv_g06_bytes_that_were_not_verified_are_never_compiled(tmp_path: Path):
    """The component is compared with the digest that was signed, right before it is used."""
    host = hosted(tmp_path)
    plugin = installed(tmp_path, b"good")
    plugin.wasm.write_bytes(b"evil")
    with pytest.raises(PluginUnavailable, match="changed after it was installed"):
        await host.start(plugin)
    assert not (tmp_path / "cache").exists()
    await host.aclose()


def test_adv_g14_nothing_that_steers_a_program_reaches_a_worker():
    """Neither settings nor our own environment can put a variable into a plugin's process."""
    steering = {
        "LD_PRELOAD": "/srv/evil.so",
        "LD_AUDIT": "/srv/evil.so",
        "NODE_OPTIONS": "--require evil",
        "PYTHONPATH": "/srv/evil",
        "PYTHONSTARTUP": "/srv/evil.py",
        "PATH": "/srv/evil",
        "CARAPACE_GATEWAY_TOKEN": "canary",
    }
    assert worker_environment({**os.environ, **steering}).keys() <= {"LANG", "LD_LIBRARY_PATH"}
