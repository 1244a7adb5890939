"""What can be wrong with the database, in words for the person who has to mend it."""

from __future__ import annotations

from carapace.errors import Failed

__all__ = [
    "DatabaseBusy",
    "DatabaseClosed",
    "DatabaseDamaged",
    "DatabaseTooNew",
    "MigrationFailed",
    "StateLocked",
    "UnsafePath",
    "WriteLost",
    "WriteUnknown",
]


class DatabaseBusy(Failed):
    """Too much waits for the database; nothing was done."""

    retryable = True


class DatabaseClosed(Failed):
    """The database is closing or closed; nothing was done."""

    retryable = True


class WriteLost(Failed):
    """The write was undone, because the disk refused it or a neighbour in its batch."""

    retryable = True


class WriteUnknown(Failed):
    """The commit did not report back: the write may or may not be on disk."""

    retryable = False


class DatabaseDamaged(Failed):
    """The file is no database of ours or fails its check."""

    retryable = False


class DatabaseTooNew(Failed):
    """A newer version has written this database."""

    retryable = False


class MigrationFailed(Failed):
    """A step of the schema could not be applied, or an applied one was changed."""

    retryable = False


class StateLocked(Failed):
    """Another gateway runs on the same state directory."""

    retryable = False


class UnsafePath(Failed):
    """The database's path is not a plain private file."""

    retryable = False
