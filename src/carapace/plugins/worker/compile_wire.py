"""What the gateway and the process that compiles a component say to each other.

The gateway imports this, so there is nothing of the compiler in it.
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = [
    "MAX_COMPONENT_BYTES",
    "MAX_CPU_S",
    "MAX_DATA_BYTES",
    "MAX_LINE_BYTES",
    "CompileJob",
    "Compiled",
    "FromCompiler",
    "NotCompiled",
    "decode_answer",
    "encode",
]

MAX_COMPONENT_BYTES: Final = 64 * 1024 * 1024
MAX_DATA_BYTES: Final = 3 * 1024 * 1024 * 1024
"""A Python plugin of 18 MB takes a third of it."""
MAX_CPU_S: Final = 180
MAX_LINE_BYTES: Final = 256 * 1024


class CompileJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the component may import and has to export; see `carapace.plugins.frames.Load`."""

    grants: tuple[str, ...]
    exports: tuple[str, ...]


class Compiled(msgspec.Struct, frozen=True, tag="compiled", forbid_unknown_fields=True):
    """The machine code follows the line.

    Attributes:
        size_bytes: Its length.
        imports: All that the component imports, full names.
        exports: The interfaces of the contract that it offers, full names.
    """

    size_bytes: int
    imports: tuple[str, ...]
    exports: tuple[str, ...]


class NotCompiled(msgspec.Struct, frozen=True, tag="not-compiled", forbid_unknown_fields=True):
    """There is none.

    Attributes:
        code: `INVALID_COMPONENT`, `IMPORT_REFUSED` or `EXPORT_MISSING`.
        message: For people.
    """

    code: str
    message: str


FromCompiler = Compiled | NotCompiled

_ENCODE: Final = msgspec.json.Encoder().encode
_ANSWER: Final[msgspec.json.Decoder[FromCompiler]] = msgspec.json.Decoder(FromCompiler)


def encode(message: CompileJob | FromCompiler) -> bytes:
    """As one line, without its end."""
    return _ENCODE(message)


def decode_answer(line: bytes) -> FromCompiler:
    """The answer.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _ANSWER.decode(line)
