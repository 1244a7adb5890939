"""The media store: files with caps, owners and an end.

A file is on the disk, in full and synced, before its row is; its row goes before the file
does. So a crash leaves at most files that nobody knows, and the next start removes those.

A file is kept while somebody needs it (`add_reference`), for `unusedTtlMinutes` after the last
one let go (`release`), and never longer than `ttlHours`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final

from carapace.clock import Clock
from carapace.config.settings.media import MediaSettings
from carapace.errors import Failed, Refused
from carapace.media import link_records, records
from carapace.media.filename import display_filename
from carapace.media.files import MediaFiles, NewFile, disk_failure
from carapace.media.incoming import Incoming
from carapace.media.quota import Quota
from carapace.media.reader import PIECE_BYTES, MediaReader, unreadable
from carapace.media.types import ANY_KIND, MediaItem, MediaKind
from carapace.store.errors import WriteUnknown
from carapace.store.ports import Database, Row, Tx
from carapace.tasks import Tasks
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["MEBIBYTE", "MediaStore", "Swept", "TooLarge", "too_large"]

_log = get_logger(__name__)

MEBIBYTE: Final = 1024 * 1024
_SWEEP_EVERY_S: Final = 300.0
_SWEEP_BATCH: Final = 200
_FINISH_S: Final = 10.0


class TooLarge(Refused):
    """A file is longer than it may be."""


class Swept(Value, frozen=True):
    """What a sweep removed."""

    items: int
    size_bytes: int


class MediaStore:
    """Puts files away and hands them out. Made by `open`."""

    def __init__(
        self,
        files: MediaFiles,
        database: Database,
        *,
        settings: MediaSettings,
        totals: records.Totals,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
    ) -> None:
        self._files = files
        self._database = database
        self._settings = settings
        self._quota = Quota(settings.max_total_mb * MEBIBYTE, totals.size_bytes)
        self._n_items = totals.items
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._tasks = Tasks("media", _report)
        self._measure()

    @classmethod
    async def open(
        cls,
        root: Path,
        database: Database,
        *,
        settings: MediaSettings,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
    ) -> MediaStore:
        """Open the folder at `root` and remove what a crash left there.

        Raises:
            Failed: If the folder or the database cannot be used.
        """
        files = await asyncio.to_thread(MediaFiles, root)
        try:
            await _drop_orphans(files, database)
            totals = await database.read(records.totals)
        except BaseException:
            files.close()
            raise
        return cls(
            files,
            database,
            settings=settings,
            totals=totals,
            clock=clock,
            audit=audit,
            metrics=metrics,
        )

    @property
    def max_item_bytes(self) -> int:
        """The longest file that is taken."""
        return self._settings.max_item_mb * MEBIBYTE

    def apply(self, settings: MediaSettings) -> None:
        """Go by these settings from now on; what is stored stays until the next sweep."""
        self._settings = settings
        self._quota.max_bytes = settings.max_total_mb * MEBIBYTE

    async def put_bytes(
        self,
        data: bytes,
        *,
        filename: str | None = None,
        max_bytes: int | None = None,
        accept: frozenset[MediaKind] = ANY_KIND,
        source: str = "upload",
    ) -> MediaItem:
        """Store `data`; as `put_stream`."""
        return await self.put_stream(
            _pieces_of(data), filename=filename, max_bytes=max_bytes, accept=accept, source=source
        )

    async def put_stream(
        self,
        pieces: AsyncIterable[bytes],
        *,
        filename: str | None = None,
        max_bytes: int | None = None,
        accept: frozenset[MediaKind] = ANY_KIND,
        source: str = "upload",
    ) -> MediaItem:
        """Store what `pieces` gives; on any error nothing of it is left.

        The one way in for uploads and downloads alike (advisory F17). The file has no owner yet:
        add a reference within `unusedTtlMinutes`.

        Args:
            pieces: The content; what it raises is raised here.
            filename: What the sender calls it, for people.
            max_bytes: A lower cap than the setting's.
            accept: Kinds that are taken; decided by content.
            source: Who brings it, for the audit line of a refusal.

        Raises:
            TooLarge: As soon as it is longer than its cap.
            Refused: If it is empty or of a kind that is not taken.
            Failed: If the store or the disk is full, or the disk fails.
        """
        cap = self.max_item_bytes if max_bytes is None else min(max_bytes, self.max_item_bytes)
        incoming = Incoming(await self._new(), self._quota, source)
        try:
            await self._take_in(incoming, pieces, cap)
        except BaseException:
            incoming.give_back()
            await asyncio.shield(asyncio.to_thread(incoming.undo))
            raise
        # From here on a caller that goes away cannot leave a row without its file.
        finishing = self._tasks.start(self._finish(incoming, filename, accept), name="finish")
        return await asyncio.shield(finishing)

    async def get(self, media_id: str) -> MediaItem | None:
        """What is known of a file, or None."""
        return await self._database.read(partial(records.find, media_id=media_id))

    @asynccontextmanager
    async def open_file(self, media_id: str) -> AsyncGenerator[MediaReader]:
        """A stored file, open for reading.

        Raises:
            Refused: If there is none of that id.
            Failed: If it cannot be read.
        """
        item = await self.get(media_id)
        if item is None:
            raise Refused(
                "there is no such file: it was never stored here, or its time is over; send it "
                "again",
                details={"mediaId": media_id},
            )
        try:
            file = await asyncio.to_thread(self._files.open, media_id)
        except OSError as error:
            raise unreadable(error) from error
        with closing(file):
            yield MediaReader(item, file)

    async def open_range(
        self, media_id: str, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes]:
        """The bytes of a file from `start` up to but not including `stop`.

        Raises:
            Refused: If there is no such file.
            Failed: If it cannot be read.
        """
        async with self.open_file(media_id) as reader:
            async for piece in reader.pieces(start, stop):
                yield piece

    async def read(self, media_id: str, *, max_bytes: int) -> bytes:
        """A whole file.

        Raises:
            TooLarge: If it is longer than `max_bytes`; nothing is read then.
            Refused: If there is no such file.
            Failed: If it cannot be read.
        """
        async with self.open_file(media_id) as reader:
            if reader.item.size_bytes > max_bytes:
                raise too_large(max_bytes)
            return b"".join([piece async for piece in reader.pieces()])

    def add_reference(self, tx: Tx, media_id: str, owner: str) -> bool:
        """Keep a file for `owner`, in the transaction that makes the owner.

        Args:
            tx: The transaction.
            media_id: The file.
            owner: Room and number, as in `inbox:17`; twice is the same as once.

        Returns:
            False if there is no such file.
        """
        return records.add_reference(tx, media_id, owner)

    def release(self, tx: Tx, owner: str) -> int:
        """`owner` needs none of its files any more; how many it had."""
        return records.release(tx, owner, now_ms=self._clock.now_ms())

    async def sweep(self) -> Swept:
        """Remove links that are over and files whose time has come.

        Raises:
            Failed: If the database refuses.
        """
        items = size_bytes = 0
        while rows := await self._database.write(self._take_due):
            await asyncio.to_thread(self._remove, [row["media_id"] for row in rows])
            freed = sum(row["size_bytes"] for row in rows)
            self._quota.free(freed)
            self._n_items -= len(rows)
            items, size_bytes = items + len(rows), size_bytes + freed
            self._measure()
        return Swept(items, size_bytes)

    async def run(self) -> None:
        """Sweep every five minutes until cancelled; run it as a task."""
        while True:
            await self._clock.sleep(_SWEEP_EVERY_S)
            try:
                await self.sweep()
            except Failed as error:
                _log.warning("media not swept, will try again", reason=error.message)

    async def aclose(self) -> None:
        """Wait for files that are being finished, then let go of the folder."""
        await self._tasks.drain(_FINISH_S)
        await self._tasks.close()
        self._files.close()

    async def _new(self) -> NewFile:
        try:
            return await asyncio.to_thread(self._files.new)
        except OSError as error:
            raise disk_failure(error) from error

    async def _take_in(self, incoming: Incoming, pieces: AsyncIterable[bytes], cap: int) -> None:
        buffer = bytearray()
        async for piece in pieces:
            if incoming.reserved_bytes + len(piece) > cap:
                raise self._refused(too_large(cap), incoming)
            if not incoming.reserve(len(piece)):
                await self._make_room(incoming, len(piece))
            buffer += piece
            if len(buffer) >= PIECE_BYTES:
                await asyncio.to_thread(incoming.write, bytes(buffer))
                buffer.clear()
        if not incoming.reserved_bytes:
            raise self._refused(Refused("the file is empty: send it again"), incoming)
        await asyncio.to_thread(incoming.write, bytes(buffer))

    async def _make_room(self, incoming: Incoming, n_bytes: int) -> None:
        await self.sweep()
        if not incoming.reserve(n_bytes):
            max_mb = self._settings.max_total_mb
            self._audit.record(
                AuditKind.MEDIA_REFUSED, source=incoming.source, reason="the store is full"
            )
            raise Failed(
                f"the media store is full ({max_mb} MiB), so the file was not stored: wait until "
                "older files expire, or raise media.maxTotalMb",
                retryable=True,
            )

    async def _finish(
        self, incoming: Incoming, filename: str | None, accept: frozenset[MediaKind]
    ) -> MediaItem:
        """Look at the content, make it last, give it a row."""
        try:
            item = await asyncio.to_thread(
                incoming.keep, display_filename(filename), self._clock.now_ms(), accept
            )
            await self._database.write(partial(records.insert, item=item))
        except WriteUnknown:
            # The row may be there, so the file must be; if it is not, the next start removes it.
            incoming.settle()
            raise
        except BaseException as error:
            incoming.give_back()
            await asyncio.shield(asyncio.to_thread(incoming.undo))
            if isinstance(error, Refused):
                self._refused(error, incoming)
            raise
        incoming.settle()
        self._n_items += 1
        self._measure()
        return item

    def _refused(self, error: Refused, incoming: Incoming) -> Refused:
        self._audit.record(AuditKind.MEDIA_REFUSED, source=incoming.source, reason=error.message)
        return error

    def _take_due(self, tx: Tx) -> list[Row]:
        now_ms = self._clock.now_ms()
        link_records.drop_expired(tx, now_ms=now_ms)
        return records.take_expired(
            tx,
            idle_before_ms=now_ms - self._settings.unused_ttl_minutes * 60_000,
            made_before_ms=now_ms - self._settings.ttl_hours * 3_600_000,
            limit=_SWEEP_BATCH,
        )

    def _remove(self, ids: list[str]) -> None:
        for media_id in ids:
            try:
                self._files.remove(media_id)
            except OSError as error:
                _log.error("media file not removed", media_id=media_id, reason=str(error))

    def _measure(self) -> None:
        self._metrics.media_bytes.set(self._quota.stored_bytes)
        self._metrics.media_items.set(self._n_items)


async def _pieces_of(data: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


async def _drop_orphans(files: MediaFiles, database: Database) -> None:
    unfinished = await asyncio.to_thread(files.drop_unfinished)
    names = await asyncio.to_thread(lambda: list(files.names()))
    orphans = 0
    for batch in _batches(names):
        known = await database.read(partial(records.known_ids, ids=batch))
        for media_id in batch:
            if media_id not in known:
                await asyncio.to_thread(files.remove, media_id)
                orphans += 1
    if unfinished or orphans:
        _log.info("media left by a crash was removed", unfinished=unfinished, unknown=orphans)


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _SWEEP_BATCH):
        yield names[start : start + _SWEEP_BATCH]


def too_large(max_bytes: int) -> TooLarge:
    """What a person is told whose file is longer than `max_bytes`."""
    return TooLarge(
        f"the file is longer than {max_bytes} bytes: send a smaller one, or raise the limit "
        "(media.maxItemMb, and mediaMaxMb of the channel)"
    )


def _report(name: str, error: BaseException) -> None:
    if not isinstance(error, Refused | Failed):  # those are told to whoever waits
        _log.error("media task died", task=name, exc_info=error)
