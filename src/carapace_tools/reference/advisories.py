"""The page that says which published advisories about gateways of this kind have a test here.

A test says so in its name: `test_adv_d07_...` covers row 7 of group D, and
`test_adv_d01_d02_...` rows 1 and 2. The rows are numbered as
in the project's list of advisories; this page counts the names and knows nothing else.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["GROUPS", "advisories_page", "covered_rows"]

GROUPS: Final[dict[str, tuple[str, int]]] = {
    "A": ("Connecting by WebSocket: order of checks, scopes, identity, origin", 21),
    "B": ("Pairing of devices and nodes, life of their tokens", 21),
    "C": ("The HTTP interface: who may reach which path", 31),
    "D": ("Hooks and webhooks", 23),
    "E": ("Who may write to the assistant through a channel", 23),
    "F": ("Requests to the outside, files, media", 22),
    "G": ("Plugins", 17),
    "H": ("Configuration, secrets, environment", 9),
    "I": ("Control UI and exported pages", 7),
    "J": ("What a run of the agent may do, and on whose word", 14),
    "K": ("Discovery and pinned certificates", 2),
    "L": ("Running commands", 7),
}
"""Groups that touch what is built, with their number of rows."""

_NAME: Final = re.compile(r"test_adv((?:_[a-z]\d\d)+)(?:_|$)")


def covered_rows(tests: Path) -> dict[str, list[str]]:
    """`A01` to the test files that name it, in order."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(tests.rglob("test_*.py")):
        for row in _rows_of(path):
            found[row].add(path.relative_to(tests.parent).as_posix())
    return {row: sorted(found[row]) for row in sorted(found)}


def advisories_page(tests: Path) -> str:
    """The page in Markdown."""
    rows = covered_rows(tests)
    lines = [
        "# Advisories",
        "",
        "Published advisories about gateways of this kind, as rows of tests: each test names its",
        "row, and this page is made from the names. A row without a test is not claimed.",
        "",
        "| group | about | rows | with a test |",
        "|---|---|---|---|",
    ]
    for group, (about, count) in GROUPS.items():
        mine = [row for row in rows if row[0] == group]
        lines.append(f"| {group} | {about} | {count} | {len(mine)} |")
    for group, (about, count) in GROUPS.items():
        lines += ["", f"## {group}: {about}", "", "| row | tests |", "|---|---|"]
        for number in range(1, count + 1):
            row = f"{group}{number:02}"
            tests_of = ", ".join(f"`{name}`" for name in rows.get(row, ())) or "none"
            lines.append(f"| {row} | {tests_of} |")
    return "\n".join((*lines, ""))


def _rows_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            named = _NAME.match(node.name)
            if named:
                yield from named[1].upper().split("_")[1:]
