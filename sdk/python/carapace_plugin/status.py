"""How an account is, for people."""

from __future__ import annotations

from typing import Literal

from carapace_plugin.host import call

__all__ = ["State", "set_state"]

State = Literal["starting", "running", "degraded", "stopped"]


def set_state(account: str, state: State, detail: str = "") -> None:
    """Say how an account is, with a sentence on why."""
    call("status", "set", account, state, detail)
