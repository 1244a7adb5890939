"""What the answer to a heartbeat says, and whether it says anything at all (pure)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["TOKEN", "has_tasks", "said"]

TOKEN: Final = "HEARTBEAT_OK"  # noqa: S105 - a word, not a secret
_TAG: Final = re.compile(r"<[^<>]{0,200}>")
_WRAPPERS: Final = "*`~_ \t\r\n"
_HEADING: Final = re.compile(r"#+(\s|$)")
_EMPTY_ITEM: Final = re.compile(r"[-*+]\s*(\[[\sXx]?\]\s*)?")


def said(answer: str, ack_max_chars: int) -> str:
    """The part of an answer that a person should read; empty if nothing needs attention.

    Args:
        answer: What the agent said.
        ack_max_chars: Words beside the token count as nothing up to this length.
    """
    text = answer.strip()
    if TOKEN not in text:
        return text
    rest = _without(text)
    if rest is None:
        rest = _without(_TAG.sub(" ", text).replace("&nbsp;", " ").strip(_WRAPPERS))
    if rest is None:
        return text
    return "" if len(rest) <= ack_max_chars else rest


def has_tasks(text: str) -> bool:
    """Whether a HEARTBEAT.md holds more than headings, empty lines and empty list items."""
    return any(
        (line := raw.strip()) and not _HEADING.match(line) and not _EMPTY_ITEM.fullmatch(line)
        for raw in text.splitlines()
    )


def _without(text: str) -> str | None:
    """The text without the token at its edges; None if it stands inside only."""
    rest = text
    while True:
        if rest.startswith(TOKEN):
            rest = rest[len(TOKEN) :].lstrip()
        elif rest.endswith(TOKEN):
            rest = rest[: -len(TOKEN)].rstrip()
        else:
            break
    return None if rest == text else rest.strip(_WRAPPERS).strip()
