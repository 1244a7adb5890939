"""One plugin as its bridges see it: calls into it, and what is fit to be shown of what it says."""

from __future__ import annotations

import re
from typing import Any, Final

from carapace.plugins.ports import Instance, PluginHost, RunPhase

__all__ = ["MAX_SAID_CHARS", "Guest", "said"]

MAX_SAID_CHARS: Final = 500
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Guest:
    """A running plugin.

    Args:
        host: Runs it.
        plugin_id: Which one.
    """

    __slots__ = ("_host", "id")

    def __init__(self, host: PluginHost, plugin_id: str) -> None:
        self._host = host
        self.id = plugin_id

    def __repr__(self) -> str:
        return f"<plugin {self.id}>"

    @property
    def generation(self) -> int:
        """Of its worker process; see `HostState`."""
        return self._host.state(self.id).generation

    async def call(
        self,
        interface: str,
        function: str,
        *arguments: Any,
        timeout_s: float | None = None,
        instance: Instance = "fresh",
    ) -> Any:
        """As `PluginHost.call`, which says what is raised."""
        return await self._host.call(
            self.id, interface, function, *arguments, timeout_s=timeout_s, instance=instance
        )

    def trouble(self) -> str | None:
        """Why it cannot be called now, for people; None if it can."""
        state = self._host.state(self.id)
        if state.phase in {RunPhase.STOPPED, RunPhase.QUARANTINED}:
            return said(state.reason) or f"the plugin {self.id} is {state.phase.value}"
        return None


def said(text: str) -> str:
    """Words of a guest for logs, errors and people: one line of bounded length."""
    return _CONTROL.sub(" ", text[: 2 * MAX_SAID_CHARS]).strip()[:MAX_SAID_CHARS]
