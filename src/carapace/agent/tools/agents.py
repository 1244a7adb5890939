"""`agents_list`: which agents a model may have work for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from carapace.agent.approval import Risk
from carapace.agent.tools.registry import ToolAnswer, ToolContext, Tools, json_answer
from carapace.config.settings.agents import AgentEntry

__all__ = ["AgentsList", "AgentsTool"]

_ANY: Final = "*"


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
        """List the agents that you may give work to with sessions_spawn."""
        del params
        entries = {entry.id.lower(): entry for entry in self._entries()}
        own = entries.get(ctx.agent_id)
        names = own.subagents.allow_agents if own else ()
        allowed = {name.strip().lower() for name in names}
        others = {*entries} if _ANY in allowed else allowed
        ids = (ctx.agent_id, *sorted(others - {ctx.agent_id, _ANY}))
        return json_answer(
            ctx,
            {
                "requester": ctx.agent_id,
                "allowAny": _ANY in allowed,
                "agents": [_row(one, entries.get(one)) for one in ids],
            },
        )


def _row(agent_id: str, entry: AgentEntry | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": agent_id, "configured": entry is not None}
    if entry is not None and entry.name:
        row["name"] = entry.name
    return row
