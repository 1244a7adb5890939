"""`status`: how an account is, for people."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.ports import StatusBoard
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.guest import said

__all__ = ["State", "StatusCapability"]

State = Literal["starting", "running", "degraded", "stopped"]
_Account = Annotated[str, msgspec.Meta(max_length=128)]


class StatusCapability:
    """Shows what a plugin says of its accounts.

    Args:
        plugin_id: Which plugin.
        board: Where it is shown.
        secrets: Masked in what it says.
    """

    def __init__(self, plugin_id: str, board: StatusBoard, secrets: PluginSecrets) -> None:
        self._plugin_id = plugin_id
        self._board = board
        self._secrets = secrets
        self.call = Dispatch("status", {"set": Operation(tuple[_Account, State, str], self._set)})

    async def _set(self, account: str, state: State, detail: str) -> None:
        clean = said(self._secrets.scrubber().text(detail))
        self._board.set(self._plugin_id, said(account), state=state, detail=clean)
