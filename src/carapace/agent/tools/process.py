"""The tool that looks after commands in the background: those of its own session, no others."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.exec.processes import Processes
from carapace.agent.tools.exec import report_of
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble

__all__ = ["ProcessParams", "process_tools"]


class ProcessParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `process`."""

    action: Literal["list", "log", "kill"]
    id: (
        Annotated[str, Meta(max_length=40, description="As exec told it; for log and kill.")] | None
    ) = None


def process_tools(processes: Processes) -> Tools:
    """The tool `process` over the commands that run."""
    tools = Tools()

    @tools.tool("process", risk=Risk.DANGEROUS)
    async def process(ctx: ToolContext, params: ProcessParams) -> str:
        """Look after commands that exec started in the background.

        list shows them, log what one has written so far, kill ends one and all it started.
        """
        if params.action == "list":
            children = processes.of(ctx.session_key)
            lines = [
                f"{one.child_id} {'running' if one.is_running else 'ended'}: {one.shown[:200]}"
                for one in children
            ]
            return "\n".join(lines) or "No command was started in this session."
        if not params.id:
            raise ToolTrouble(f"{params.action} needs the id of a process; use list to see them")
        child = processes.get(ctx.session_key, params.id)
        if params.action == "kill":
            await processes.end(child)
        return report_of(child)

    return tools
