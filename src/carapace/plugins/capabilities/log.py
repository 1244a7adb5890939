"""`log`: lines in the gateway's log, under the plugin's name."""

from __future__ import annotations

from typing import Final, Literal

from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.telemetry.log import get_logger

__all__ = ["LogCapability"]

_MAX_CHARS: Final = 4_096

Level = Literal["debug", "info", "warn", "error"]


class LogCapability:
    """Writes a plugin's lines; the log itself masks secrets and control characters.

    Args:
        plugin_id: Whose lines.
    """

    def __init__(self, plugin_id: str) -> None:
        self._plugin_id = plugin_id
        self._log = get_logger(__name__)
        self.call = Dispatch("log", {"emit": Operation(tuple[Level, str], self._emit)})

    async def _emit(self, level: Level, message: str) -> None:
        cut = message if len(message) <= _MAX_CHARS else message[:_MAX_CHARS] + " (cut)"
        write = {
            "debug": self._log.debug,
            "info": self._log.info,
            "warn": self._log.warning,
            "error": self._log.error,
        }[level]
        write("plugin says", plugin=self._plugin_id, text=cut)
