"""For whom a tool acts in a test that calls it without a turn."""

from __future__ import annotations

from typing import Any

from carapace.agent.tools.registry import ToolContext
from carapace.clock import SystemClock
from carapace.ids import AgentId, RunId
from carapace.provenance import OWNER
from support.agent_house import MAIN, AgentHouse

__all__ = ["tool_context"]


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
