"""The tools that come with the gateway and need nothing new."""

from __future__ import annotations

from carapace.agent.tools import memory, sessions, time
from carapace.agent.tools.registry import Tools

__all__ = ["builtin_tools"]


# The embedded model is offered the first six of these that are core, so the best come first.
# Forgetting is not core: small models choose it wrongly, and what it removes is gone.
_FIRST = ("current_time", "memory_write", "memory_search", "sessions_list")


def builtin_tools(*, with_memory: bool = True) -> Tools:
    """All built-in tools, the most useful first; `with_memory` is `memory.enabled`."""
    found = time.TOOLS.merge(sessions.TOOLS)
    if with_memory:
        found = found.merge(memory.TOOLS)
    ordered = Tools()
    for name in sorted(found, key=lambda name: _FIRST.index(name) if name in _FIRST else 99):
        ordered.add(found[name])
    return ordered
