"""`agents_list`: which agents a model may have work for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import ToolAnswer, ToolContext, Tools, json_answer
from carapace.config.settings.agents import AgentEntry

__all__ = ["AgentsList", "AgentsTool"]


class AgentsList(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `agents_list`: none."""


class AgentsTool:
    """Lists agents.

    Args:
        entries: `agents.list`, as it is now.
    """

    def __init__(self, entries: Callable[[], tuple[AgentEntry, ...]]) -> None:
        self._entries = entries

    def tools(self) -> Tools:
        """Its row for the registry."""
        rows = Tools()
        rows.tool("agents_list", risk=Risk.READ)(self.list)
        return rows

    async def list(self, ctx: ToolContext, params: AgentsList) -> ToolAnswer:
        """List the agents that you may give work to."""
        del params
        # An agent works for itself alone: no setting lets it reach another one's sessions.
        own: dict[str, Any] = {"id": ctx.agent_id, "configured": False}
        for entry in self._entries():
            if entry.id.lower() == ctx.agent_id:
                own["configured"] = True
                if entry.name:
                    own["name"] = entry.name
        return json_answer(ctx, {"requester": ctx.agent_id, "allowAny": False, "agents": [own]})
