"""A media store on a real database and disk, and small files of every kind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carapace.config.settings.media import MediaSettings
from carapace.media.store import MediaStore
from carapace.store.ports import Database
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.database import memory_database
from support.egress import AuditTrail

__all__ = ["PNG", "MediaHouse", "media_house", "media_store", "png"]


def png(width: int = 3, height: int = 2, *, promised: tuple[int, int] | None = None) -> bytes:
    """A real picture; `promised` makes its header say another size than its data has."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\x00" + b"\x20\x40\x80" * width for _ in range(height))
    size = struct.pack(">IIBBBBB", *(promised or (width, height)), 8, 2, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", size),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


PNG = png()


@dataclass
class MediaHouse:
    """A store and what it stands on."""

    store: MediaStore
    database: SqliteDatabase
    root: Path
    clock: FakeClock
    trail: AuditTrail
    metrics: Metrics

    def files(self) -> list[Path]:
        """Every file in the media folder."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    async def reopen(self, **settings: Any) -> MediaStore:
        """The store as after a restart."""
        return await MediaStore.open(
            self.root,
            self.database,
            settings=MediaSettings(**settings),
            clock=self.clock,
            audit=self.trail.audit,
            metrics=self.metrics,
        )


@asynccontextmanager
async def media_house(folder: Path, **settings: Any) -> AsyncGenerator[MediaHouse]:
    """A media store in `folder`, on a clock that stands still."""
    async with memory_database() as database:
        house = MediaHouse(
            store=None,  # pyright: ignore[reportArgumentType] - the next line fills it
            database=database,
            root=folder / "media",
            clock=FakeClock(),
            trail=AuditTrail(folder / "audit"),
            metrics=Metrics("test", with_process=False),
        )
        house.store = await house.reopen(**settings)
        try:
            yield house
        finally:
            await house.store.aclose()


@asynccontextmanager
async def media_store(
    folder: Path, database: Database, clock: FakeClock
) -> AsyncGenerator[MediaStore]:
    """A media store among other rooms, on their database."""
    trail = AuditTrail(folder / "media-audit")
    store = await MediaStore.open(
        folder / "media",
        database,
        settings=MediaSettings(),
        clock=clock,
        audit=trail.audit,
        metrics=Metrics("test", with_process=False),
    )
    try:
        yield store
    finally:
        await store.aclose()
        trail.audit.close()
