"""What a room may ask of the database, and nothing more.

A function given to `read` or `write` is short, synchronous and does nothing but SQL: it runs
in a database thread, and others wait behind it. Functions of several rooms compose into one
transaction simply by being called one after the other with the same `Tx`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

__all__ = ["Database", "Params", "Row", "Tx"]

T = TypeVar("T")

Params = Sequence[Any] | Mapping[str, Any]
"""Values for `?` or `:name`; never text spliced into SQL."""


class Row(Protocol):
    """One result row, by column name or position."""

    def __getitem__(self, key: str | int, /) -> Any:
        """The value of a column."""
        ...

    def keys(self) -> list[str]:
        """Column names in order."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...


class Tx(Protocol):
    """One transaction, only valid inside the function that was given it."""

    def execute(self, sql: str, params: Params = (), /) -> int:
        """Run one statement; the number of rows it changed (-1 for a query)."""
        ...

    def one(self, sql: str, params: Params = (), /) -> Row | None:
        """The first row, or None."""
        ...

    def all(self, sql: str, params: Params = (), /) -> list[Row]:
        """Every row; the statement must bound how many there are."""
        ...


class Database(Protocol):
    """Where state lives."""

    async def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one consistent snapshot that includes every awaited write.

        Raises:
            Failed: If the database is closing, too many wait, or the deadline passed.
        """
        ...

    async def write(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` in a transaction; when this returns its effect is on disk.

        What `fn` raises is raised here, and its changes are undone. A caller that is
        cancelled leaves a write that either still happens in full or never starts.

        Raises:
            Failed: With `retryable` set if the write was not taken (queue full, closing);
                without it if its outcome is unknown (the disk refused the commit, or the
                deadline passed): read back, or repeat only what is idempotent.
        """
        ...

    async def close(self) -> None:
        """Finish what waits, then let go of the files; later calls fail."""
        ...
