"""WAV files that were written into a pipe: their heads say a length that is not so. Pure."""

from __future__ import annotations

import struct

from carapace.agent.speech.ports import NotSpoken

__all__ = ["mended"]

_HEAD = 12
_CHUNK = 8


def mended(data: bytes) -> bytes:
    """The same sound with the true lengths in its head.

    Raises:
        NotSpoken: If it is no WAV file with sound in it.
    """
    if data[:4] != b"RIFF" or data[8:_HEAD] != b"WAVE":
        raise NotSpoken("the engine gave something that is no sound")
    at = _HEAD
    while at + _CHUNK <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + _CHUNK], "little")
        start = at + _CHUNK
        if name == b"data":
            sound = data[start:]
            if not sound:
                break
            head = data[_HEAD:at]
            body = head + b"data" + struct.pack("<I", len(sound)) + sound
            return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body
        at = start + size + size % 2
    raise NotSpoken("the engine gave a recording without sound")
