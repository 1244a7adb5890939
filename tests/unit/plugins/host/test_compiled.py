"""A component is compiled once, and only if it is the one that was signed."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import os
from pathlib import Path

import pytest

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host import compiled
from carapace.plugins.host.aot_cache import AotCache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.sealed import Artifact
from carapace.plugins.ports import LoadedPlugin
from support.egress import AuditTrail
from support.plugin_house import a_plugin, sealed

WASM = b"component"


class CountingCompiler(Compiler):
    """Makes code without a process."""

    def __init__(self) -> None:
        super().__init__()
        self.compiled: list[bytes] = []

    async def compile(self, plugin: LoadedPlugin, wasm: Artifact) -> Artifact:
        self.compiled.append(os.pread(wasm.fd, wasm.size_bytes, 0))
        return sealed(b"code %d" % len(self.compiled))


@pytest.fixture
def compiler() -> CountingCompiler:
    return CountingCompiler()


@pytest.fixture
def plugins(tmp_path: Path, compiler: CountingCompiler) -> CompiledPlugins:
    audit = AuditTrail(tmp_path / "audit").audit
    return CompiledPlugins(AotCache(tmp_path / "cache", b"k" * 32, audit=audit), compiler)


@pytest.fixture
def plugin(tmp_path: Path) -> LoadedPlugin:
    path = tmp_path / "plugin.wasm"
    path.write_bytes(WASM)
    return dataclasses.replace(a_plugin(), wasm=path, wasm_sha256=hashlib.sha256(WASM).hexdigest())


def code_of(artifact: Artifact) -> bytes:
    with artifact:
        return os.pread(artifact.fd, artifact.size_bytes, 0)


async def test_it_is_compiled_once_and_then_comes_from_the_cache(
    plugins: CompiledPlugins, compiler: CountingCompiler, plugin: LoadedPlugin
):
    assert code_of(await plugins.artifact(plugin)) == b"code 1"
    assert code_of(await plugins.artifact(plugin)) == b"code 1"
    assert compiler.compiled == [WASM]


async def test_it_is_compiled_anew_where_the_engine_did_not_take_it(
    plugins: CompiledPlugins, plugin: LoadedPlugin
):
    code_of(await plugins.artifact(plugin))
    assert code_of(await plugins.artifact(plugin, anew=True)) == b"code 2"
    assert code_of(await plugins.artifact(plugin)) == b"code 2"


async def test_another_engine_compiles_for_itself(
    plugins: CompiledPlugins, plugin: LoadedPlugin, monkeypatch: pytest.MonkeyPatch
):
    code_of(await plugins.artifact(plugin))
    monkeypatch.setattr(compiled, "compiled_for", lambda: "wasmtime 51")
    assert code_of(await plugins.artifact(plugin)) == b"code 2"


@pytest.mark.parametrize("bytes_now", [b"componenu", b"", b"component "])
async def test_a_component_that_is_not_the_signed_one_is_never_compiled(
    plugins: CompiledPlugins, compiler: CountingCompiler, plugin: LoadedPlugin, bytes_now: bytes
):
    plugin.wasm.write_bytes(bytes_now)
    with pytest.raises(PluginUnavailable, match=r"plugin\.wasm of hello .* Install .* again"):
        await plugins.artifact(plugin)
    assert compiler.compiled == []


async def test_a_component_that_is_gone_or_a_link_is_never_compiled(
    plugins: CompiledPlugins, compiler: CountingCompiler, plugin: LoadedPlugin, tmp_path: Path
):
    plugin.wasm.rename(tmp_path / "elsewhere")
    with pytest.raises(PluginUnavailable, match="No such file"):
        await plugins.artifact(plugin)
    plugin.wasm.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PluginUnavailable, match="symbolic links"):
        await plugins.artifact(plugin)
    assert compiler.compiled == []


async def test_without_the_engine_it_says_what_to_install(
    plugins: CompiledPlugins, plugin: LoadedPlugin, monkeypatch: pytest.MonkeyPatch
):
    def missing() -> str:
        raise importlib.metadata.PackageNotFoundError("wasmtime")

    monkeypatch.setattr(compiled, "compiled_for", missing)
    with pytest.raises(PluginUnavailable, match=r"install carapace-gateway\[plugins\]"):
        await plugins.artifact(plugin)


async def test_code_that_nobody_waits_for_any_more_is_let_go(
    plugins: CompiledPlugins, plugin: LoadedPlugin, monkeypatch: pytest.MonkeyPatch
):
    made: list[Artifact] = []  # held on to: one that nobody holds closes itself

    async def cut(self: AotCache, name: str, artifact: Artifact) -> None:
        made.append(artifact)
        raise TimeoutError

    monkeypatch.setattr(AotCache, "keep", cut)
    with pytest.raises(TimeoutError):
        await plugins.artifact(plugin)
    with pytest.raises(ValueError, match="closed"):
        _ = made[0].fd
