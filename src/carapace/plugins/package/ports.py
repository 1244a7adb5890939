"""What installing needs of the rooms above: somebody who runs what was installed."""

from __future__ import annotations

from typing import Protocol

from carapace.plugins.package.installed import InstalledPlugin
from carapace.plugins.ports import HostState

__all__ = ["PluginRuntime"]


class PluginRuntime(Protocol):
    """Makes plugins part of the house, and takes them out again, without a restart."""

    async def add(self, installed: InstalledPlugin) -> None:
        """Run it, in place of the version that runs, if one does.

        That one goes on until the new one is ready.

        Raises:
            GatewayError: If it cannot be started; what ran before still runs.
        """
        ...

    async def remove(self, plugin_id: str) -> None:
        """End it; one that does not run is fine."""
        ...

    def state(self, plugin_id: str) -> HostState:
        """How it is; `STOPPED` if it does not run."""
        ...
