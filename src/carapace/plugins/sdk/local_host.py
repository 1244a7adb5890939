"""A host for an author's machine: real workers, and native code that is kept for next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from carapace import __version__
from carapace.clock import SystemClock
from carapace.plugins.host.aot_cache import open_aot_cache
from carapace.plugins.host.compiled import CompiledPlugins
from carapace.plugins.host.compiling import Compiler
from carapace.plugins.host.service import WorkerHost
from carapace.plugins.host.supervisor import House
from carapace.plugins.ports import CapabilityCall, Grants, LoadedPlugin, PluginLimits
from carapace.plugins.sdk.project import Project
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor

__all__ = ["FolderVault", "cache_folder", "loaded", "local_host"]

_MODE: Final = 0o600
_MIB: Final = 1024 * 1024


class FolderVault:
    """Secrets as files that only their owner may read; satisfies `KeyVault`.

    Args:
        folder: Made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get_or_put(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name, or what `make` gives if there is none."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / name
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        except FileExistsError:
            return path.read_text("ascii")
        secret = make()
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret)
        return secret


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where native code is kept: below `XDG_CACHE_HOME`, or `~/.cache`."""
    home = environment.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    return base / "carapace" / "plugins"


@asynccontextmanager
async def local_host(folder: Path) -> AsyncGenerator[WorkerHost]:
    """A host that ends, with all its workers, when the context does.

    Args:
        folder: For native code and its key.
    """
    clock = SystemClock()
    audit = Audit(folder, clock=clock, redactor=Redactor())
    cache = await open_aot_cache(folder / "compiled", FolderVault(folder / "keys"), audit=audit)
    host = WorkerHost(
        House(
            artifacts=CompiledPlugins(cache, Compiler()),
            clock=clock,
            audit=audit,
            metrics=Metrics(__version__, with_process=False),
            on_change=lambda _plugin_id: None,
        )
    )
    try:
        yield host
    finally:
        await host.aclose()


def loaded(project: Project, capabilities: Mapping[str, CapabilityCall]) -> LoadedPlugin:
    """The built component of a project, with all granted that its manifest asks for."""
    manifest = project.manifest
    return LoadedPlugin(
        id=manifest.id,
        version=manifest.version,
        wasm=project.wasm,
        wasm_sha256=hashlib.sha256(project.wasm.read_bytes()).hexdigest(),
        roles=frozenset(manifest.roles),
        grants=Grants(frozenset(project.imports)),
        capabilities=capabilities,
        limits=PluginLimits(
            memory_bytes=manifest.limits.memory_mib * _MIB,
            call_timeout_s=float(manifest.limits.call_timeout_s),
        ),
    )
