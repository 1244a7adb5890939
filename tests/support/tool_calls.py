"""Who calls a tool in a test, and for whom it acts, without a turn."""

from __future__ import annotations

from typing import Any

from carapace.agent.tools.registry import ToolContext
from carapace.auth.types import Caller, CredentialKind
from carapace.clock import SystemClock
from carapace.ids import AgentId, ConnId, RunId
from carapace.protocol.scopes import Role, Scope, effective
from carapace.provenance import OWNER
from support.agent_house import MAIN, AgentHouse

__all__ = ["program", "tool_context"]


def tool_context(house: AgentHouse, **changes: Any) -> ToolContext:
    """The owner's turn in the main session, with `changes`."""
    values: dict[str, Any] = {
        "run_id": RunId("r"),
        "session_key": MAIN,
        "agent_id": AgentId("main"),
        "provenance": OWNER,
        "timezone": None,
        "clock": SystemClock(),
        "sessions": house.sessions,
        "memory": house.memory,
        "call_id": "c",
        **changes,
    }
    return ToolContext(**values)


def program(*granted: str) -> Caller:
    """A program with the gateway's token; by default it may do everything."""
    granted = granted or (Scope.ADMIN,)
    return Caller(
        conn_id=ConnId("c"),
        role=Role.OPERATOR,
        scopes=effective(granted),
        granted=granted,
        client_id="http",
        client_mode="backend",
        device_id=None,
        credential=CredentialKind.TOKEN,
        is_local=True,
    )
