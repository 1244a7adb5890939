"""Markdown tables (GFM 0.29, section 4.10) for services that cannot show them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from carapace.channels.text.fences import fence_around, find_fences
from carapace.config.settings.channels import TableMode
from carapace.value import Value

__all__ = ["convert_tables"]

_DELIMITER: Final = re.compile(r"[ ]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_LINE_BREAK: Final = re.compile(r"<br ?/?>", re.IGNORECASE)
_MAX_DELIMITER: Final = 1_000
"""The line under a header is not longer; the expression may try each blank twice."""
_MAX_COLUMN: Final = 60
"""Cells wider than this are not padded, or one of them would push all others off the screen."""
_WIDE: Final = frozenset({"W", "F"})


class _Table(Value, frozen=True):
    header: list[str]
    rows: list[list[str]]


def convert_tables(text: str, mode: TableMode, *, shows_tables: bool = False) -> str:
    """`text` with its tables as a service can show them; code blocks are left alone.

    Args:
        text: Markdown.
        mode: `off` leaves tables alone. `bullets` makes a list: each row is named by its first
            cell, the others follow with their column's name. `code` makes preformatted text
            with aligned columns. `block` is the service's own table, or `code` without one.
        shows_tables: The service renders Markdown tables.
    """
    if mode == "off" or (mode == "block" and shows_tables) or "|" not in text:
        return text
    fences = find_fences(text)
    lines = text.split("\n")
    out: list[str] = []
    index = offset = 0
    while index < len(lines):
        table, used = (None, 1)
        if fence_around(fences, offset + 1) is None:
            table, used = _table_at(lines, index)
        out.extend(lines[index : index + used] if table is None else _written(table, mode))
        offset += sum(len(line) + 1 for line in lines[index : index + used])
        index += used
    return "\n".join(out)


def _table_at(lines: Sequence[str], index: int) -> tuple[_Table | None, int]:
    """The table that begins with this line, and how many lines it takes."""
    if "|" not in lines[index] or index + 1 >= len(lines):
        return None, 1
    below = lines[index + 1]
    if len(below) > _MAX_DELIMITER or _DELIMITER.fullmatch(below) is None:
        return None, 1
    header = _cells(lines[index])
    if len(_cells(below)) != len(header):
        return None, 1
    end = index + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    width = len(header)
    rows = [(_cells(line) + [""] * width)[:width] for line in lines[index + 2 : end]]
    return _Table(header, rows), end - index


def _cells(line: str) -> list[str]:
    inner = _LINE_BREAK.sub(" ", line).strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _written(table: _Table, mode: TableMode) -> list[str]:
    return _bullets(table) if mode == "bullets" else _code(table)


def _bullets(table: _Table) -> list[str]:
    if not table.rows:
        return [f"- {' / '.join(filter(None, table.header))}"]
    if len(table.header) == 1:
        return [f"- {row[0]}" for row in table.rows]
    lines: list[str] = []
    for row in table.rows:
        lines.append(f"- {_strong(row[0])}" if row[0] else "-")
        lines.extend(
            f"  - {name}: {cell}" if name else f"  - {cell}"
            for name, cell in zip(table.header[1:], row[1:], strict=True)
            if cell
        )
    return lines


def _strong(text: str) -> str:
    return text if "*" in text or "`" in text else f"**{text}**"


def _code(table: _Table) -> list[str]:
    columns = list(zip(table.header, *table.rows, strict=True))
    widths = [min(_MAX_COLUMN, max(map(_columns_of, column))) for column in columns]
    marks = "```"
    while any(marks in cell for column in columns for cell in column):
        marks += "`"
    body = [_aligned(row, widths) for row in (table.header, *table.rows)]
    rule = "-+-".join("-" * max(width, 1) for width in widths)
    return [marks, body[0], rule, *body[1:], marks]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * max(0, width - _columns_of(cell))
        for cell, width in zip(row, widths, strict=True)
    )
    return " | ".join(padded).rstrip()


def _columns_of(text: str) -> int:
    """How many columns of a fixed-width font it takes."""
    return sum(
        2 if unicodedata.east_asian_width(char) in _WIDE else 1
        for char in text
        if unicodedata.category(char) not in {"Mn", "Me", "Cf"}
    )
