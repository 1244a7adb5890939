"""Messages for tests, one line each."""

from __future__ import annotations

from carapace.sessions.types import Role, StoredMessage

__all__ = ["said"]


def said(message_id: str, text: str, role: Role = "user", *, at_ms: int = 0) -> StoredMessage:
    """A message of one text part."""
    return StoredMessage(message_id, role, ({"type": "text", "text": text},), at_ms)
