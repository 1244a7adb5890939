"""How results look: plain tables for people, JSON for programs.

Whatever came over the wire loses its control characters before it reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from carapace.telemetry.redact import strip_controls

__all__ = ["age", "as_json", "megabytes", "report", "show", "table"]


def as_json(value: Any) -> None:
    """Print one JSON document, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show(text: str) -> None:
    """Print text of unknown origin."""
    print(strip_controls(text))


def report(done: Any, text: str, *, is_json: bool) -> None:
    """Say what was done: the whole answer to a program, `text` to a person."""
    if is_json:
        as_json(done)
    else:
        show(text)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns as wide as they need to be; a cell's line breaks become spaces."""
    cells = [[strip_controls(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    widths = [
        max(len(line[column]) for line in [list(head), *cells]) for column in range(len(head))
    ]
    for line in [list(head), *cells]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )


def age(since_ms: int, now_ms: int) -> str:
    """How long ago, in the largest unit that fits: `3m`."""
    seconds = max(0, now_ms - since_ms) // 1000
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def megabytes(n_bytes: int) -> str:
    """A size as people read it, in decimal megabytes."""
    return f"{n_bytes / 1_000_000:,.1f} MB"
