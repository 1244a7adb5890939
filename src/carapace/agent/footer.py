"""What a session wants to see beside each answer: a line about tokens, and the model's thoughts.

Both are for the reader of this answer and not for the model: they are no part of what it is
shown later.
"""

from __future__ import annotations

from typing import Final

from carapace.agent.providers.ports import Usage
from carapace.agent.usage import RunUsage

__all__ = ["REASONING_HEAD", "usage_line"]

REASONING_HEAD: Final = "Reasoning:\n"
_NANO: Final = 1_000_000_000
_SHOWN: Final = frozenset({"tokens", "full", "on"})


def usage_line(wish: str | None, used: RunUsage, session_key: str) -> str:
    """The line below an answer; nothing if the session wants none or no model was asked.

    Args:
        wish: `responseUsage` of the session.
        used: What the run used.
        session_key: Named by `full`.
    """
    total = used.total
    if wish not in _SHOWN or total == Usage():
        return ""
    asked = total.input + total.cache_read + total.cache_write
    line = f"Usage: {asked} in / {total.output} out"
    if wish != "full":
        return line
    cost = used.total_cost_nano_usd
    price = f"about {cost / _NANO:.4f} USD" if cost else "no price known"
    return f"{line} · {price} · session {session_key}"
