"""A file on its way into the store: its share of the quota, its hash, and what it is."""

from __future__ import annotations

import hashlib

from carapace.errors import Refused
from carapace.media.files import NewFile, disk_failure
from carapace.media.quota import Quota
from carapace.media.sniff import HEAD_BYTES, TAIL_BYTES, sniff
from carapace.media.types import MediaItem, MediaKind
from carapace.telemetry.log import get_logger

__all__ = ["Incoming"]

_log = get_logger(__name__)


class Incoming:
    """What `MediaStore.put_stream` works on.

    Args:
        file: Where it goes.
        quota: What it takes its room from.
        source: Who brings it.

    Attributes:
        source: Who brings it.
        reserved_bytes: Its room; its size when all of it is here.
    """

    def __init__(self, file: NewFile, quota: Quota, source: str) -> None:
        self.source = source
        self.reserved_bytes = 0
        self._file = file
        self._quota = quota
        self._hash = hashlib.sha256()

    def reserve(self, n_bytes: int) -> bool:
        """Take room for `n_bytes` more, on the loop."""
        if not self._quota.reserve(n_bytes):
            return False
        self.reserved_bytes += n_bytes
        return True

    def give_back(self) -> None:
        """The file is gone."""
        self._quota.give_back(self.reserved_bytes)

    def settle(self) -> None:
        """The file is on the disk."""
        self._quota.keep(self.reserved_bytes)

    def write(self, data: bytes) -> None:
        """Append, in a thread.

        Raises:
            Failed: If the disk does not take it.
        """
        self._hash.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_failure(error) from error

    def keep(
        self, filename: str | None, created_at_ms: int, accept: frozenset[MediaKind]
    ) -> MediaItem:
        """Look at the content and make it last, in a thread.

        Raises:
            Refused: If it is of a kind that is not taken.
            Failed: If the disk refuses.
        """
        size_bytes = self._file.size_bytes
        tail_bytes = min(TAIL_BYTES, size_bytes)
        found = sniff(
            self._file.read(0, HEAD_BYTES), self._file.read(size_bytes - tail_bytes, tail_bytes)
        )
        if found.kind not in accept:
            wanted = ", ".join(sorted(accept))
            raise Refused(
                f"the file is {found.content_type} by its content, which is not taken here: send "
                f"one of {wanted}"
            )
        try:
            self._file.keep()
        except OSError as error:
            raise disk_failure(error) from error
        return MediaItem(
            id=self._file.media_id,
            content_type=found.content_type,
            kind=found.kind,
            size_bytes=size_bytes,
            sha256=self._hash.hexdigest(),
            filename=filename,
            created_at_ms=created_at_ms,
        )

    def undo(self) -> None:
        """Leave nothing, in a thread."""
        try:
            self._file.discard()
        except OSError as error:
            _log.error("media file not removed", media_id=self._file.media_id, reason=str(error))
