"""Base64 and `data:` URLs, measured before they are decoded (advisory F09). Pure.

Sources: RFC 4648 sections 4 and 5; RFC 2397.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from carapace.errors import Refused

__all__ = ["decode_base64", "decode_data_url", "decoded_bytes"]

_DATA_URL: Final = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_TO_STANDARD: Final = str.maketrans("-_", "+/")


def decoded_bytes(text: str) -> int:
    """How many bytes `text` stands for, by arithmetic; nothing is copied."""
    n_chars = len(text)
    if text.endswith("=="):
        n_chars -= 2
    elif text.endswith("="):
        n_chars -= 1
    return n_chars * 3 // 4


def decode_base64(text: str, *, max_bytes: int) -> bytes:
    """The bytes that `text` stands for, in either alphabet, with or without padding.

    Raises:
        Refused: If they are more than `max_bytes`, or `text` is not base64.
    """
    size = decoded_bytes(text)
    if size > max_bytes:
        raise Refused(
            f"the file is {size} bytes long and {max_bytes} are allowed: send a smaller one"
        )
    padding = "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text.translate(_TO_STANDARD) + padding, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("the file is not valid base64: encode it again (RFC 4648)") from error


def decode_data_url(text: str, *, max_bytes: int) -> bytes:
    """The bytes in a base64 `data:` URL; the type it claims does not count.

    Raises:
        Refused: As `decode_base64`, or if it is no such URL.
    """
    # Bounded: a long header must not be searched to the end of a long text.
    match = _DATA_URL.match(text, 0, 256)
    if match is None:
        raise Refused("the data: URL does not hold base64: write it as data:<type>;base64,<data>")
    size = decoded_bytes(text) - match.end() * 3 // 4
    if size > max_bytes + 3:
        raise Refused(
            f"the file is {size} bytes long and {max_bytes} are allowed: send a smaller one"
        )
    return decode_base64(text[match.end() :], max_bytes=max_bytes)
