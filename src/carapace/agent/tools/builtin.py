"""The tools that come with the gateway and need nothing new."""

from __future__ import annotations

from carapace.agent.tools import memory, sessions, time
from carapace.agent.tools.registry import Tools

__all__ = ["builtin_tools"]


def builtin_tools(*, with_memory: bool = True) -> Tools:
    """All built-in tools; `with_memory` is `memory.enabled`."""
    tools = time.TOOLS.merge(sessions.TOOLS)
    return tools.merge(memory.TOOLS) if with_memory else tools
