"""Short texts made from messages: excerpts, previews, titles.

Each message is stored with an excerpt, so that lists and previews read a few hundred bytes
instead of decoding megabytes of pictures.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from carapace.sessions.types import StoredMessage

__all__ = [
    "MAX_EXCERPT_CHARS",
    "excerpt_of",
    "fallback_title",
    "shorten",
    "title_from",
    "without_message_id",
]

MAX_EXCERPT_CHARS: Final = 2000
_MAX_TITLE_CHARS: Final = 60
_WORD_BREAK_FROM: Final = 36  # a break earlier than this loses more than it tidies
_ID_LINE: Final = re.compile(r"^[ \t]*\[message_id:[^\]\n]*\][ \t]*\n?", re.MULTILINE)


def excerpt_of(message: StoredMessage) -> str:
    """The beginning of what a message says; of one that only calls tools, their names."""
    text = message.text.strip()
    if not text:
        calls = [str(part.get("name")) for part in message.content if part["type"] == "toolCall"]
        text = f"call {', '.join(calls)}" if calls else ""
    return text[:MAX_EXCERPT_CHARS]


def without_message_id(text: str) -> str:
    """Leave out the `[message_id: ...]` line that runs add for the model's eyes."""
    return _ID_LINE.sub("", text).rstrip() if "[message_id:" in text else text


def shorten(text: str, max_chars: int) -> str:
    """At most `max_chars` (at least 4) characters, the last three of a cut text dots."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 3]}..."


def title_from(text: str) -> str:
    """One line of at most 60 characters, cut between words where that is possible."""
    line = " ".join(without_message_id(text).split())
    if len(line) <= _MAX_TITLE_CHARS:
        return line
    cut = line[: _MAX_TITLE_CHARS - 1]
    space = cut.rfind(" ")
    return f"{cut[:space] if space > _WORD_BREAK_FROM else cut}…"


def fallback_title(session_id: str, updated_at_ms: int) -> str:
    """What names a session in which nobody has spoken: `53f7c675 (2026-11-22)`."""
    day = datetime.fromtimestamp(updated_at_ms / 1000, UTC).date()
    return f"{session_id[:8]} ({day.isoformat()})"
