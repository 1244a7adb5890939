"""Rows of what was used."""

from __future__ import annotations

from typing import Any

from carapace.agent.providers.ports import Usage
from carapace.agent.usage import UsageLine
from carapace.ids import AgentId, RunId, SessionKey

__all__ = ["line"]


def line(run: str, *, day: str, **changes: Any) -> UsageLine:
    """What one run used of one model."""
    values: dict[str, Any] = {
        "provider": "fake",
        "model": "fake-1",
        "agent_id": AgentId("main"),
        "session_key": SessionKey("agent:main:main"),
        "at_ms": 1,
        "requests": 2,
        "usage": Usage(10, 20, 30, 40),
        "cost_nano_usd": 500_000_000,
        **changes,
    }
    return UsageLine(run_id=RunId(run), day=day, **values)
