"""`agent`: a plugin begins a turn of the assistant."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.plugins.capabilities.dispatch import Dispatch, Operation
from carapace.plugins.capabilities.ports import TurnStarter
from carapace.provenance import Authority, Origin, Provenance

__all__ = ["AgentCapability", "provenance_of"]

_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Words = Annotated[str, msgspec.Meta(min_length=1, max_length=262_144)]
_Idempotency = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


def provenance_of(plugin_id: str) -> Provenance:
    """Whose words a plugin's turn has: an unknown program's, whatever the plugin heard them from.

    A plugin cannot lend its turn the authority of the person who installed it.
    """
    return Provenance(
        origin=Origin.OUTSIDE, authority=Authority.OUTSIDE, sender_id=f"plugin:{plugin_id}"
    )


class AgentCapability:
    """Starts turns.

    Args:
        plugin_id: As whom.
        turns: Where they begin.
    """

    def __init__(self, plugin_id: str, turns: TurnStarter) -> None:
        self._plugin_id = plugin_id
        self._turns = turns
        self.call = Dispatch(
            "agent", {"start": Operation(tuple[_Key, _Words, _Idempotency], self._start)}
        )

    async def _start(self, session_key: str, text: str, idempotency_key: str) -> str:
        # The key is the plugin's own: two plugins that choose the same one are two turns.
        return await self._turns.start(
            session_key,
            text,
            idempotency_key=f"plugin:{self._plugin_id}:{idempotency_key}",
            provenance=provenance_of(self._plugin_id),
        )
