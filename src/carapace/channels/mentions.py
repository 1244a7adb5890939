"""Whether the words of a message mean us: the operator's patterns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from carapace.channels.mention_pattern import BadPatternError, MentionPattern
from carapace.value import Value

__all__ = ["NO_MENTIONS", "BadPattern", "MentionPatterns"]

_MAX_PATTERNS: Final = 50
_MAX_CHARS: Final = 2_000
# People put invisible characters between letters, and some clients do around a mention.
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))


class BadPattern(Value, frozen=True):
    """A pattern that cannot be used, and why, for people."""

    pattern: str
    reason: str


class MentionPatterns:
    """All patterns of the settings; one that cannot be used mentions nobody.

    Args:
        patterns: At most 50 count.
    """

    __slots__ = ("_patterns", "bad")

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns: list[MentionPattern] = []
        bad: list[BadPattern] = []
        for pattern in patterns:
            try:
                self._add(pattern)
            except BadPatternError as error:
                bad.append(BadPattern(pattern, str(error)))
        self.bad = tuple(bad)

    def _add(self, pattern: str) -> None:
        if len(self._patterns) >= _MAX_PATTERNS:
            raise BadPatternError(f"there are more than {_MAX_PATTERNS} patterns")
        made = MentionPattern(pattern)
        if made.is_in(""):
            raise BadPatternError("it matches even an empty text")
        self._patterns.append(made)

    def are_in(self, text: str) -> bool:
        """Whether any matches the first 2,000 characters, invisible ones left out."""
        if not self._patterns:
            return False
        seen = text[:_MAX_CHARS].translate(_INVISIBLE)
        return any(pattern.is_in(seen) for pattern in self._patterns)


NO_MENTIONS: Final = MentionPatterns()
