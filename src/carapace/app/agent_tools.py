"""The tools that need rooms which are built after the registry of tools."""

from __future__ import annotations

from carapace.agent.profiles import Profiles
from carapace.agent.tools.files.tools import FileTools
from carapace.agent.tools.invoke import ToolInvoker
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.runner import ToolRunner
from carapace.clock import Clock
from carapace.sessions.service import Sessions

__all__ = ["open_agent_tools"]


def open_agent_tools(
    tools: ToolRunner,
    *,
    sessions: Sessions,
    memory: MemoryStore,
    profiles: Profiles,
    clock: Clock,
) -> ToolInvoker:
    """Add them to the registry; returns what calls tools for programs.

    Args:
        tools: The registry, with its lists and rules.
        sessions: The conversations.
        memory: What agents remember.
        profiles: The agents.
        clock: The time.
    """
    files = FileTools(lambda agent_id: profiles.get(agent_id).workspace.root)
    tools.add(*files.tools().values())
    return ToolInvoker(tools, sessions=sessions, memory=memory, profiles=profiles, clock=clock)
