"""The floors of the house as a diagram, from the linter's own contract."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

__all__ = ["floors_diagram"]

_OPTIONAL = re.compile(r"\((\w+)\)")


def floors_diagram(pyproject: Path) -> str:
    """A Mermaid chart, top floor first; rooms that are only planned are left out.

    Raises:
        LookupError: If `pyproject` holds no contract of layers.
    """
    return _chart(_layers(tomllib.loads(pyproject.read_text("utf-8"))))


def _layers(document: dict[str, Any]) -> list[list[str]]:
    contracts: list[dict[str, Any]] = document["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract["type"] == "layers":
            rooms = [
                [room for room in _OPTIONAL.sub("", floor).replace("|", " ").split() if room]
                for floor in contract["layers"]
            ]
            return [floor for floor in rooms if floor]
    raise LookupError("no contract of type layers")


def _chart(floors: list[list[str]]) -> str:
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    f{n}["{" · ".join(floor)}"]' for n, floor in enumerate(floors)]
    lines += [f"    f{n} --> f{n + 1}" for n in range(len(floors) - 1)]
    return "\n".join([*lines, "```"])
