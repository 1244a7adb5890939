"""Replacing one passage of a text, if it is there exactly once. Pure."""

from __future__ import annotations

from carapace.agent.tools.registry import ToolTrouble

__all__ = ["replace_once"]


def replace_once(text: str, old: str, new: str, name: str) -> str:
    """`text` with the passage `old` replaced.

    Args:
        text: All of it, with plain line ends.
        old: Letter by letter.
        new: In its place.
        name: Of the file, for refusals.

    Raises:
        ToolTrouble: If `old` is not there, or more than once, or nothing would change.
    """
    if not old:
        raise ToolTrouble("oldText is empty. Use write to make a file.")
    if old == new:
        raise ToolTrouble("oldText and newText are the same; nothing would change.")
    at = text.find(old)
    if at < 0:
        raise ToolTrouble(_not_there(text, old, name))
    # From the next letter on, not behind the passage: "aa" is twice in "aaa".
    if text.find(old, at + 1) >= 0:
        lines = _lines_of(text, old)
        raise ToolTrouble(
            f"oldText is in {name} more than once (lines {lines}). Add lines around it until it "
            "is there only once."
        )
    return text[:at] + new + text[at + len(old) :]


def _not_there(text: str, old: str, name: str) -> str:
    hint = "Read the file and copy the passage as it is."
    if " ".join(old.split()) in " ".join(text.split()):
        hint = "It is there with other spaces or line ends: read the file and copy it as it is."
    return f"oldText is not in {name}. {hint}"


def _lines_of(text: str, old: str) -> str:
    found: list[str] = []
    at = text.find(old)
    while at >= 0 and len(found) < 5:  # noqa: PLR2004 - enough to see where
        found.append(str(text.count("\n", 0, at) + 1))
        at = text.find(old, at + 1)
    return ", ".join(found) + (", ..." if at >= 0 else "")
