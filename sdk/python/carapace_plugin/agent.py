"""Ask the assistant itself."""

from __future__ import annotations

from carapace_plugin.host import call

__all__ = ["start"]


def start(session_key: str, text: str, *, idempotency_key: str) -> str:
    """Begin a turn as this plugin; gives the run's id. The answer goes where the session leads."""
    return str(call("agent", "start", session_key, text, idempotency_key))
