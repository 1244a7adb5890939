"""What a tool of an MCP server answered, as text for a model. Pure.

Pictures and recordings are only named: nobody has looked at them, and they may be anything.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carapace.agent.understanding.fence import OutsideText, cleaned, fenced

__all__ = ["outside", "result_text"]

_MAX_CHARS: Final = 18_000  # below what the runner cuts, so that the fence is closed
_MAX_BLOCKS: Final = 256
_MAX_RAW_CHARS: Final = 4 * _MAX_CHARS


def result_text(content: list[Any], structured: Any = None) -> str:
    """All of an answer that can be shown; empty if there is none.

    Args:
        content: The blocks, as the protocol's library gives them.
        structured: The same as JSON; shown where no block says anything.
    """
    parts: list[str] = []
    room = _MAX_RAW_CHARS
    for block in content[:_MAX_BLOCKS]:
        text = _shown(block)[:room]
        parts.append(text)
        room -= len(text)
        if room <= 0:
            break
    if len(content) > _MAX_BLOCKS:
        parts.append(f"[{len(content) - _MAX_BLOCKS} more parts were left out]")
    if not any(parts) and structured is not None:
        parts.append(msgspec.json.encode(structured)[:_MAX_RAW_CHARS].decode(errors="replace"))
    return cleaned("\n".join(part for part in parts if part), _MAX_CHARS)


def outside(name: str, text: str) -> str:
    """`text` between marks that it cannot write, as words of a stranger.

    Args:
        name: Of the tool, as a model calls it.
        text: What the server said.
    """
    return fenced([OutsideText("answer", name, cleaned(text, _MAX_CHARS))])


def _shown(block: Any) -> str:
    kind = str(getattr(block, "type", ""))
    if kind == "text":
        return str(block.text)
    if kind in ("image", "audio"):
        return f"[{kind} of type {block.mime_type}, {len(block.data)} characters: not shown]"
    if kind == "resource_link":
        return f"[link to {block.name}: {block.uri}]"
    if kind == "resource":
        inner = block.resource
        text = getattr(inner, "text", None)
        return str(text) if text is not None else f"[file {inner.uri}: not shown]"
    return f"[a part of the kind {kind[:40]!r}: not shown]"
