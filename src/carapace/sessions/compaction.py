"""Where a transcript may be cut: pure rules.

What is archived is a beginning of the transcript. What stays must make sense to a model, so
it never starts with a tool's result whose call was archived.
"""

from __future__ import annotations

from collections.abc import Sequence

from carapace.value import Value

__all__ = ["Cut", "cut_after"]


class Cut(Value, frozen=True):
    """A place to cut.

    Attributes:
        through_seq: Position of the last message to archive.
        archived: How many live messages go.
        kept: How many stay.
    """

    through_seq: int
    archived: int
    kept: int


def cut_after(shape: Sequence[tuple[int, str]], keep: int) -> Cut | None:
    """The cut that leaves at most the newest `keep` messages; None if nothing would go.

    Args:
        shape: Position and role of every live message, oldest first.
        keep: 0 archives everything.
    """
    start = max(0, len(shape) - keep)
    if start == 0:
        return None
    while start < len(shape) and shape[start][1] == "toolResult":
        start += 1
    return Cut(through_seq=shape[start - 1][0], archived=start, kept=len(shape) - start)
