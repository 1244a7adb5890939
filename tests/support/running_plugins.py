"""Plugins as methods reach them: scripted guests that run, and an installer if one is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from carapace.errors import Refused
from carapace.plugins.guest import Guest
from carapace.plugins.package.installer import Installer
from carapace.plugins.package.manifest import Manifest
from carapace.plugins.package.permissions import Permissions
from support.scripted_host import ScriptedHost, guest_of

__all__ = ["RunningPlugins"]


@dataclass
class RunningPlugins:
    """Satisfies `carapace.methods.context.PluginHouse`."""

    host: ScriptedHost = field(default_factory=ScriptedHost)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    installer: Installer | None = None

    def run(self, plugin_id: str, *roles: str, credentials: tuple[str, ...] = ()) -> ScriptedHost:
        """Let a plugin with these roles run; script it on the host."""
        self.manifests[plugin_id] = Manifest(
            id=plugin_id,
            version="1.0.0",
            name=plugin_id,
            roles=roles,
            permissions=Permissions(credentials=credentials),
            wit="1.0",
        )
        guest_of(self.host, plugin_id)
        return self.host

    def guest(self, plugin_id: str, role: str) -> Guest:
        self.manifest(plugin_id, role)
        return Guest(self.host, plugin_id)

    def manifest(self, plugin_id: str, role: str) -> Manifest:
        found = self.manifests.get(plugin_id)
        if found is None or role not in found.roles:
            raise Refused(f"The plugin {plugin_id} does not run as {role}.")
        return found

    def _installer(self) -> Installer:
        assert self.installer is not None, "this test has no installer"
        return self.installer

    async def list(self) -> Any:
        return await self._installer().list()

    async def install(self, source: str, *, accept: bool, by: str) -> Any:
        return await self._installer().install(source, accept=accept, by=by)

    async def upgrade(self, plugin_id: str, source: str | None, *, accept: bool, by: str) -> Any:
        return await self._installer().upgrade(plugin_id, source, accept=accept, by=by)

    async def consent(self, plugin_id: str, digest: str, *, accept: bool, by: str) -> Any:
        return await self._installer().consent(plugin_id, digest, accept=accept, by=by)

    async def switch(self, plugin_id: str, *, enabled: bool, by: str) -> Any:
        return await self._installer().switch(plugin_id, enabled=enabled, by=by)

    async def rollback(self, plugin_id: str, version: str | None, *, accept: bool, by: str) -> Any:
        return await self._installer().rollback(plugin_id, version, accept=accept, by=by)

    async def remove(self, plugin_id: str, *, by: str) -> None:
        await self._installer().remove(plugin_id, by=by)
