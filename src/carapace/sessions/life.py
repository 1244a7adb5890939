"""Tells the hooks when a transcript gets its first message and when it ends."""

from __future__ import annotations

from typing import Literal

from carapace.hooks.bus import HookBus
from carapace.hooks.points import SESSION_END, SESSION_START, SessionEnd, SessionStart
from carapace.sessions.types import SessionEntry

__all__ = ["SessionLife"]


class SessionLife:
    """The life cycle of sessions, for those who listen; without `hooks` for nobody."""

    __slots__ = ("_hooks",)

    def __init__(self, hooks: HookBus | None) -> None:
        self._hooks = hooks

    def started(self, session_key: str, session_id: str, agent_id: str) -> None:
        """The first message of a transcript is on disk."""
        if self._hooks is not None and SESSION_START in self._hooks.heard:
            self._hooks.tell(SESSION_START, SessionStart(session_key, session_id, agent_id))

    def ended(self, entry: SessionEntry | None, reason: Literal["reset", "delete"]) -> None:
        """The transcript of `entry` was ended; None if there was none."""
        if entry is not None and self._hooks is not None and SESSION_END in self._hooks.heard:
            payload = SessionEnd(entry.key, entry.session_id, entry.agent_id, reason)
            self._hooks.tell(SESSION_END, payload)
