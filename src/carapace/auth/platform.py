"""Which system a client runs on, as rules may rely on it: a closed list, or unknown.

The name is the client's own claim. It is folded to one spelling first, so that look-alike letters
make no class of their own, and what is not on the list is unknown (advisory B18).
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final

__all__ = ["Platform", "platform_of"]


class Platform(StrEnum):
    """A system that has rules of its own."""

    IOS = "ios"
    ANDROID = "android"
    MACOS = "macos"
    LINUX = "linux"
    WINDOWS = "windows"
    UNKNOWN = "unknown"


# Names the apps and Node itself use; the word before the first blank or number of a version.
_NAMES: Final = {
    "ios": Platform.IOS,
    "ipados": Platform.IOS,
    "iphone": Platform.IOS,
    "ipad": Platform.IOS,
    "android": Platform.ANDROID,
    "macos": Platform.MACOS,
    "mac": Platform.MACOS,
    "darwin": Platform.MACOS,
    "linux": Platform.LINUX,
    "windows": Platform.WINDOWS,
    "win": Platform.WINDOWS,
    "win32": Platform.WINDOWS,
}
_WORD: Final = re.compile(r"[^\s/;,(_-]+")


def platform_of(claimed: str | None) -> Platform:
    """The class of a platform's name, such as `macOS 26.1.0` or `win32`."""
    text = unicodedata.normalize("NFKC", claimed or "").casefold()
    word = _WORD.match(text.strip())
    return _NAMES.get(word[0], Platform.UNKNOWN) if word else Platform.UNKNOWN
