"""The text of a file: taken out of its bytes, shown in part, and put back as it was. Pure."""

from __future__ import annotations

from typing import Final

from carapace.agent.tools.registry import ToolTrouble
from carapace.value import Value

__all__ = ["FileText", "excerpt", "text_of"]

_LOOKED_AT: Final = 8_192
_MAX_LINE_CHARS: Final = 2_000


class FileText(Value, frozen=True):
    r"""A text with plain line ends, and what its file needs beside it.

    Attributes:
        text: With `\n` alone.
        has_crlf: The file's lines end in `\r\n`, all of them.
        has_mark: It begins with a byte order mark.
    """

    text: str
    has_crlf: bool = False
    has_mark: bool = False

    def encoded(self, text: str) -> bytes:
        """`text` as this file's bytes."""
        if self.has_crlf:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return ("\ufeff" + text if self.has_mark else text).encode()


def text_of(data: bytes, name: str) -> FileText:
    """The text that `data` is.

    Raises:
        ToolTrouble: If it is none in UTF-8.
    """
    if b"\0" in data[:_LOOKED_AT]:
        raise ToolTrouble(f"{name} is no text. A picture can be looked at with the tool image.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ToolTrouble(
            f"{name} is no text in UTF-8 (byte {error.start}), so it is left alone."
        ) from None
    has_mark = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    n_crlf = text.count("\r\n")
    has_crlf = n_crlf > 0 and n_crlf == text.count("\n") and n_crlf == text.count("\r")
    return FileText(text.replace("\r\n", "\n") if has_crlf else text, has_crlf, has_mark)


def excerpt(text: str, *, offset: int, limit: int, max_chars: int) -> str:
    """Lines from `offset` (1 is the first), as many as fit, and how to go on.

    Raises:
        ToolTrouble: If the text has fewer lines.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return "(the file is empty)"
    if offset > len(lines):
        raise ToolTrouble(f"The file has {len(lines)} lines; offset {offset} is behind its end.")
    kept: list[str] = []
    room = max_chars
    for line in lines[offset - 1 : offset - 1 + limit]:
        cut = line if len(line) <= _MAX_LINE_CHARS else line[:_MAX_LINE_CHARS] + " [...]"
        room -= len(cut) + 1
        if room < 0 and kept:
            break
        kept.append(cut)
    last = offset - 1 + len(kept)
    shown = "\n".join(kept)
    if offset == 1 and last == len(lines):
        return shown
    more = f"; go on with offset {last + 1}" if last < len(lines) else ""
    return f"{shown}\n\n[lines {offset} to {last} of {len(lines)}{more}]"
