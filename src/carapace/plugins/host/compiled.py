"""Compiled components: out of the cache if there is one to trust, else made."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from typing import Final

from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.host.aot_cache import AotCache, cache_name
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.sealed import Artifact, digest, seal_file
from carapace.plugins.ports import LoadedPlugin
from carapace.plugins.worker.compile_wire import MAX_COMPONENT_BYTES
from carapace.plugins.worker.target import compiled_for
from carapace.telemetry.log import get_logger

__all__ = ["CompiledPlugins"]

_log = get_logger(__name__)
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class CompiledPlugins:
    """Finds or makes native code; satisfies `ArtifactSource`.

    Args:
        cache: Where it is kept.
        compiler: What makes it.
    """

    def __init__(self, cache: AotCache, compiler: Compiler) -> None:
        self._cache = cache
        self._compiler = compiler

    async def artifact(self, plugin: LoadedPlugin, *, anew: bool = False) -> Artifact:
        """The compiled component of `plugin`; the caller closes it.

        Args:
            plugin: Which one.
            anew: Compile it even if it is in the cache: the engine did not take that.

        Raises:
            PluginUnavailable: If there is none, with the reason.
        """
        try:
            name = cache_name(plugin.wasm_sha256, compiled_for())
        except importlib.metadata.PackageNotFoundError:
            raise PluginUnavailable(
                "plugins need the package wasmtime: install carapace-gateway[plugins], then "
                "start the gateway again",
                retryable=False,
            ) from None
        if not anew:
            found = await self._cache.take(name)
            if found is not None:
                return found
        return await self._compiled(plugin, name)

    async def _compiled(self, plugin: LoadedPlugin, name: str) -> Artifact:
        _log.info("plugin is compiled", plugin=plugin.id, version=plugin.version)
        with await asyncio.to_thread(_signed, plugin) as wasm:
            made = await self._compiler.compile(plugin, wasm)
        try:
            await self._cache.keep(name, made)
        except BaseException:
            made.close()
            raise
        return made


def _signed(plugin: LoadedPlugin) -> Artifact:
    """The component's bytes, if they are those that were verified. Blocks.

    Raises:
        PluginUnavailable: If not.
    """
    try:
        fd = os.open(plugin.wasm, _FLAGS)
        try:
            wasm = seal_file(fd, max_bytes=MAX_COMPONENT_BYTES)
        finally:
            os.close(fd)
    except OSError as error:
        raise _not_installed(plugin, str(error)) from error
    if digest(wasm) != plugin.wasm_sha256:
        wasm.close()
        raise _not_installed(plugin, "it was changed after it was installed")
    return wasm


def _not_installed(plugin: LoadedPlugin, why: str) -> PluginUnavailable:
    return PluginUnavailable(
        f"the file {plugin.wasm.name} of {plugin.id} cannot be used: {why}. Install the plugin "
        "again",
        retryable=False,
    )
