"""Session keys: `agent:<id>:<rest>`, their aliases, and what a key alone tells.

The grammar is the Node gateway's (protocol 3, section 5): `main` and the configured main
key are aliases of the default agent's main session, a key without `agent:` belongs to the
default agent, everything is stored in lower case. Unlike there, a key is refused if it is
too long, has control characters, or starts like an agent's key and is none.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final

from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey

__all__ = [
    "GLOBAL_KEY",
    "MAX_KEY_CHARS",
    "UNKNOWN_KEY",
    "SessionKind",
    "agent_of",
    "canonical",
    "is_subagent",
    "kind_of",
    "main_session",
    "rest_of",
]

GLOBAL_KEY: Final = SessionKey("global")
UNKNOWN_KEY: Final = SessionKey("unknown")
MAX_KEY_CHARS: Final = 512

_AGENT_KEY: Final = re.compile(r"agent:([a-z0-9][a-z0-9_-]{0,63}):(.+)")
# Control, surrogate, line and paragraph separators: nothing that breaks a log line or UTF-8.
_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class SessionKind(StrEnum):
    """What sort of conversation a key names."""

    DIRECT = "direct"
    GROUP = "group"
    GLOBAL = "global"
    UNKNOWN = "unknown"


def canonical(
    key: str,
    *,
    agent_id: str = "main",
    main_key: str = "main",
    one_for_all: bool = False,
) -> SessionKey:
    """The one form of `key` that is stored.

    Args:
        key: As a client wrote it.
        agent_id: The default agent: whose session a bare key is.
        main_key: The configured rest of every agent's main session.
        one_for_all: Whether main sessions share one key (`session.scope` is `global`).

    Raises:
        Refused: If it is empty, too long, holds control characters, or is a broken
            `agent:` key.
    """
    text = key.strip().lower()
    _check(text)
    if text in (GLOBAL_KEY, UNKNOWN_KEY):
        return SessionKey(text)
    match = _AGENT_KEY.fullmatch(text)
    if match is None and text.startswith("agent:"):
        raise Refused(
            "invalid session key: an agent's key is agent:<id>:<rest>, where the id has"
            " letters, digits, - and _ only"
        )
    owner, rest = (match[1], match[2]) if match else (agent_id.lower(), text)
    main = main_key.strip().lower() or "main"
    if rest in ("main", main):
        return GLOBAL_KEY if one_for_all else SessionKey(f"agent:{owner}:{main}")
    found = SessionKey(f"agent:{owner}:{rest}")
    _check(found)
    return found


def _check(text: str) -> None:
    if not text:
        raise Refused("key required")
    if len(text) > MAX_KEY_CHARS:
        raise Refused(f"invalid session key: longer than {MAX_KEY_CHARS} characters")
    if any(unicodedata.category(char) in _FORBIDDEN for char in text):
        raise Refused("invalid session key: it holds control characters")


def main_session(agent_id: str = "main", main_key: str = "main") -> SessionKey:
    """The key of an agent's main session."""
    return canonical(f"agent:{agent_id}:main", main_key=main_key)


def agent_of(key: str, *, default: str = "main") -> AgentId:
    """Whose session a canonical `key` is; `default` for the global and unknown ones."""
    match = _AGENT_KEY.fullmatch(key)
    return AgentId(match[1] if match else default)


def rest_of(key: str) -> str:
    """What follows `agent:<id>:`; the whole of any other key."""
    match = _AGENT_KEY.fullmatch(key)
    return match[2] if match else key


def is_subagent(key: str) -> bool:
    """Whether the session was opened by an agent for itself."""
    return rest_of(key).startswith("subagent:")


def kind_of(key: str, chat_type: str | None = None) -> SessionKind:
    """What sort of conversation it is; a known chat type wins over the key's look."""
    if key == GLOBAL_KEY:
        return SessionKind.GLOBAL
    if key == UNKNOWN_KEY:
        return SessionKind.UNKNOWN
    if chat_type in ("group", "channel") or ":group:" in key or ":channel:" in key:
        return SessionKind.GROUP
    return SessionKind.DIRECT
