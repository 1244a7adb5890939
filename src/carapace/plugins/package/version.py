"""Versions of plugins: semantic versioning 2.0.0 without build metadata, which has no order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

__all__ = ["InvalidVersion", "Version", "parse_version"]

_PATTERN: Final = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(?:\.(?:0|[1-9]\d{0,8}|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?",
    re.ASCII,
)
_MAX_CHARS: Final = 64


class InvalidVersion(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """Not a version; the message says why."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=True)
class Version:
    """A version that can be compared.

    Attributes:
        release: Major, minor, patch.
        pre: Identifiers after the dash; a version with some comes before the one without.
    """

    release: tuple[int, int, int]
    pre: tuple[str, ...] = ()

    def __lt__(self, other: Version) -> bool:
        """Precedence as section 11 of the specification has it."""
        return self._rank() < other._rank()

    def __str__(self) -> str:
        text = ".".join(str(part) for part in self.release)
        return f"{text}-{'.'.join(self.pre)}" if self.pre else text

    def _rank(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        pre = tuple((False, int(one), "") if one.isdigit() else (True, 0, one) for one in self.pre)
        return self.release, not self.pre, pre


def parse_version(text: str) -> Version:
    """Read `1.2.3` or `1.2.3-rc.1`.

    Raises:
        InvalidVersion: If it is neither.
    """
    match = _PATTERN.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        raise InvalidVersion(
            f"{text[:_MAX_CHARS]!r} is no version: write MAJOR.MINOR.PATCH, as in 1.0.0, with a "
            "pre-release after a dash or nothing"
        )
    major, minor, patch, pre = match.groups()
    return Version((int(major), int(minor), int(patch)), tuple(pre.split(".")) if pre else ())
