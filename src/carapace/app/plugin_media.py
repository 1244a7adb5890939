"""The media store as plugins may use it: satisfies `carapace.plugins.capabilities.ports.MediaDoor`.

A plugin reaches a file by its handle alone. Handles are random and told to a plugin only for
files that it put there, or was asked to send.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, asynccontextmanager

from carapace.media.fetch import MediaFetcher
from carapace.media.image_size import HEADER_BYTES, ImageSize, image_size
from carapace.media.links import MediaLinks
from carapace.media.store import MediaStore
from carapace.media.types import MediaItem, MediaKind
from carapace.net.policy import EgressCaller
from carapace.plugins.capabilities.ports import StoredFile

__all__ = ["PluginMedia"]


class PluginMedia:
    """Hands files to plugins and takes theirs.

    Args:
        store: Where files are.
        fetcher: Fetches them, under the rules that the plugin brings.
        links: Makes public links.
    """

    def __init__(self, store: MediaStore, fetcher: MediaFetcher, links: MediaLinks) -> None:
        self._store = store
        self._fetcher = fetcher
        self._links = links

    async def put(
        self, pieces: AsyncIterable[bytes], *, max_bytes: int | None, source: str
    ) -> StoredFile:
        """Store what `pieces` gives; see the port."""
        return await self._described(
            await self._store.put_stream(pieces, max_bytes=max_bytes, source=source)
        )

    async def fetch(self, url: str, caller: EgressCaller, *, max_bytes: int) -> StoredFile:
        """Fetch a file under the caller's rules; see the port."""
        return await self._described(await self._fetcher.fetch(url, caller, max_bytes=max_bytes))

    async def find(self, handle: str) -> StoredFile | None:
        """What is known of a file, or None."""
        item = await self._store.get(handle)
        return None if item is None else await self._described(item)

    @asynccontextmanager
    async def open(self, handle: str) -> AsyncGenerator[tuple[StoredFile, AsyncGenerator[bytes]]]:
        """A file and its bytes in pieces; see the port."""
        async with self._store.open_file(handle) as reader, aclosing(reader.pieces()) as pieces:
            yield _stored(reader.item, None), pieces

    async def link(self, handle: str, *, ttl_s: int) -> str:
        """A public address that serves the file for that long; see the port."""
        return (await self._links.create(handle, ttl_s=ttl_s)).url

    async def _described(self, item: MediaItem) -> StoredFile:
        size = None
        if item.kind is MediaKind.IMAGE:
            async with self._store.open_file(item.id) as reader:
                size = image_size(await reader.read(0, HEADER_BYTES), item.content_type)
        return _stored(item, size)


def _stored(item: MediaItem, size: ImageSize | None) -> StoredFile:
    return StoredFile(
        handle=item.id,
        content_type=item.content_type,
        size_bytes=item.size_bytes,
        width_px=None if size is None else size.width_px,
        height_px=None if size is None else size.height_px,
    )
