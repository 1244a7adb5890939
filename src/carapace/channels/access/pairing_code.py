"""The code that a stranger is told and hands to the owner by another way."""

from __future__ import annotations

import secrets
from typing import Final

__all__ = ["CODE_CHARS", "CODE_LENGTH", "new_code", "normal_code"]

CODE_CHARS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1, which people mix up; 32 of them, so 8 are 40 bits."""

CODE_LENGTH: Final = 8


def new_code() -> str:
    """A fresh code."""
    return "".join(secrets.choice(CODE_CHARS) for _ in range(CODE_LENGTH))


def normal_code(typed: str) -> str:
    """`typed` as a code is written: upper case, without spaces and hyphens.

    Empty if it cannot be a code at all.
    """
    code = "".join(typed.split()).replace("-", "").upper()
    is_code = len(code) == CODE_LENGTH and set(code) <= set(CODE_CHARS)
    return code if is_code else ""
