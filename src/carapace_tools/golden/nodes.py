"""A node that plays its part: it connects as recorded and answers what it is asked."""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from carapace_tools.golden.bindings import Bindings
from carapace_tools.golden.connection import Connection, ReplayError
from carapace_tools.golden.identity import Identity
from carapace_tools.golden.scenario import NodeScript

__all__ = ["ScriptedNode"]

Frame = dict[str, Any]


class ScriptedNode:
    """One node of a scenario while it is connected.

    Args:
        connection: Its own.
        script: What it offers and answers.
        recorded: Finds the recorded request of a node by the name of its case.
        bindings: Texts that are others today.
    """

    def __init__(
        self,
        connection: Connection,
        script: NodeScript,
        recorded: Callable[[str], Frame],
        bindings: Bindings,
    ) -> None:
        self.connection = connection
        self._script = script
        self._recorded = recorded
        self._bindings = bindings

    async def join(self, token: str) -> None:
        """Connect with the role of a node.

        Raises:
            ReplayError: If it is refused.
        """
        script = self._script
        params: Frame = {
            "minProtocol": 3,
            "maxProtocol": 3,
            "client": dict(script.client),
            "role": "node",
            "scopes": [],
            "caps": script.caps,
            "commands": script.commands,
            "permissions": script.permissions,
            "auth": {"token": token},
        }
        await self.connection.connect(params, token, Identity(script.identity))

    async def serve(self, key: str) -> None:
        """Answer the request with that idempotency key as the script says; then wait for the reply.

        Raises:
            ReplayError: If the request does not come.
        """
        case = self._script.answers.get(key)
        if case is None:
            return
        asked = await self.connection.until(lambda: self.asked(key), f"the request {key}")
        answer = self._bindings.to_send(copy.deepcopy(self._recorded(case)))
        answer["params"]["id"] = asked[0]["payload"]["id"]
        await self.connection.send(answer)
        heard = await self.connection.until(
            lambda: self.connection.answers(answer["id"]), f"the reply to {case}"
        )
        if not heard[0]["ok"]:
            raise ReplayError(f"the node's answer was refused: {heard[0]['error']}")

    def asked(self, key: str) -> list[Frame]:
        """Requests of that key so far."""
        requests = self.connection.events("node.invoke.request")
        return [one for one in requests if one["payload"].get("idempotencyKey") == key]
