"""Identifiers that must not be mixed, and how a fresh one is made."""

from __future__ import annotations

import secrets
import uuid
from typing import NewType

__all__ = ["AgentId", "ConnId", "DeviceId", "RunId", "SessionKey", "new_id", "new_secret"]

AgentId = NewType("AgentId", str)
ConnId = NewType("ConnId", str)
DeviceId = NewType("DeviceId", str)
RunId = NewType("RunId", str)
SessionKey = NewType("SessionKey", str)


def new_id() -> str:
    """A random UUID in its usual text form."""
    return str(uuid.uuid4())


def new_secret(n_bytes: int = 32) -> str:
    """URL-safe text with `n_bytes` (at least 16) of randomness."""
    if n_bytes < 16:  # noqa: PLR2004 - 128 bits is the floor for anything guessable online
        msg = "a secret needs at least 16 bytes"
        raise ValueError(msg)
    return secrets.token_urlsafe(n_bytes)
