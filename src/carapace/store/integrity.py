"""Is the file still whole: SQLite's own checks, quick at start, full on demand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from carapace.store.errors import DatabaseDamaged
from carapace.value import Value

__all__ = ["IntegrityReport", "integrity_problems"]

_MAX_PROBLEMS: Final = 20


class IntegrityReport(Value, frozen=True):
    """What a check found; empty is good."""

    path: Path
    problems: tuple[str, ...]

    def raise_if_any(self) -> None:
        """Do nothing for a whole file.

        Raises:
            DatabaseDamaged: Naming the first problem and the next step.
        """
        if self.problems:
            raise DatabaseDamaged(
                f"{self.path} is damaged: {self.problems[0]}"
                f"{f' (and {len(self.problems) - 1} more)' if len(self.problems) > 1 else ''}. "
                "Stop the gateway, keep a copy of the file, and put the newest backup or "
                f"{self.path.name}.before-NNNN in its place."
            )


def integrity_problems(
    connection: sqlite3.Connection, path: Path, *, quick: bool
) -> IntegrityReport:
    """Check structure, and with `quick=False` also every index and foreign key.

    Reads the whole file either way; the full check takes several times longer.
    """
    check = "quick_check" if quick else "integrity_check"
    try:
        rows = connection.execute(f"PRAGMA {check}({_MAX_PROBLEMS})").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        if not found and not quick:
            dangling = connection.execute("PRAGMA foreign_key_check").fetchmany(_MAX_PROBLEMS)
            found = [f"a row of {row[0]} points to a missing row of {row[2]}" for row in dangling]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return IntegrityReport(path, tuple(found))
