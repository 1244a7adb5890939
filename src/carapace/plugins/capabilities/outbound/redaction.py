"""Nothing that comes back to a plugin holds one of its secrets: the canary's net. Pure.

A service that repeats what it was sent (an error page with our headers, a `Location`, a debug
end point) would hand the plugin what the gateway kept from it. So every answer is searched for
each secret of the plugin in the spellings that encoders commonly give it, and masked.

A service that changes the secret on purpose (reversed, cut in two) is beyond this net; the manifest
decides which services get a secret at all.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "MIN_CHARS", "SecretScrubber", "StreamScrubber", "spellings"]

MASK: Final = b"***"
MIN_CHARS: Final = 4
"""Shorter secrets are not looked for: they would blank out ordinary words."""
_MIN_ENCODED_CHARS: Final = 4
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")


def spellings(secret: str) -> frozenset[bytes]:
    """How a secret looks after the encodings it commonly passes through."""
    raw = secret.encode()
    found = {
        secret,
        quote(secret, safe=""),
        _ESCAPE.sub(lambda found: found.group().lower(), quote(secret, safe="")),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        html.escape(secret),
        html.escape(secret, quote=False),
        raw.hex(),
        raw.hex().upper(),
    }
    return frozenset(
        [text.encode() for text in found if text]
        + [piece for piece in _base64_pieces(raw) if len(piece) >= _MIN_ENCODED_CHARS]
    )


def _base64_pieces(raw: bytes) -> Iterable[bytes]:
    """What base64 makes of it wherever it stands in a longer text (`user:secret`).

    Only the letters that depend on the secret alone: up to two bytes before and after it share
    a letter with it.
    """
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).rstrip(b"=")
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        piece = encoded[first:last]
        yield piece
        yield piece.translate(bytes.maketrans(b"+/", b"-_"))


class SecretScrubber:
    """Masks a set of secrets.

    Args:
        secrets: Their values; those under four characters are not looked for.
    """

    __slots__ = ("_pattern", "_spellings", "max_bytes")

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {one for value in secrets if len(value) >= MIN_CHARS for one in spellings(value)}
        longest_first = sorted(found, key=lambda one: (-len(one), one))
        self._spellings = tuple(longest_first)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if found else None
        self.max_bytes = len(longest_first[0]) if found else 0
        """Length of the longest spelling."""

    def data(self, data: bytes) -> bytes:
        """`data` without secrets."""
        return self._pattern.sub(MASK, data) if self._pattern and self._has_any(data) else data

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is None:
            return text
        return self.data(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def last_end(self, data: bytes) -> int:
        """Where the last secret in `data` ends, 0 if there is none."""
        end = 0
        if self._pattern is not None and self._has_any(data):
            for found in self._pattern.finditer(data):
                end = found.end()
        return end

    def _has_any(self, data: bytes) -> bool:
        """Far quicker than the pattern, and in nearly every answer there is none."""
        return any(one in data for one in self._spellings)


class StreamScrubber:
    """Masks secrets in a body that comes in pieces, also where one begins in one and ends later.

    Args:
        scrubber: What to mask.
    """

    __slots__ = ("_held", "_scrubber")

    def __init__(self, scrubber: SecretScrubber) -> None:
        self._scrubber = scrubber
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What is certain of the body so far and was not given yet."""
        data = self._held + piece
        end = self._scrubber.last_end(data)
        # A spelling may have begun in the last bytes, unless a whole one ends behind there.
        sure = max(len(data) - max(self._scrubber.max_bytes - 1, 0), end)
        self._held = data[sure:]
        return self._scrubber.data(data[:sure]) if end else data[:sure]

    def finish(self) -> bytes:
        """The rest."""
        rest, self._held = self._held, b""
        return self._scrubber.data(rest)
