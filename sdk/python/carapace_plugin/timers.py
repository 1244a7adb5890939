"""One-shot alarms that outlive restarts; they come back as `Service.on_timer`."""

from __future__ import annotations

import time

from carapace_plugin.host import call

__all__ = ["cancel", "set_after", "set_at"]


def set_at(name: str, at_ms: float, payload: str = "") -> None:
    """Set, or move, the alarm of this name to a moment in milliseconds since 1970."""
    call("timers", "set", name, at_ms, payload)


def set_after(name: str, delay_s: float, payload: str = "") -> None:
    """Set, or move, the alarm of this name to `delay_s` seconds from now."""
    set_at(name, time.time() * 1000.0 + delay_s * 1000.0, payload)


def cancel(name: str) -> bool:
    """Whether there was such an alarm."""
    return bool(call("timers", "cancel", name))
