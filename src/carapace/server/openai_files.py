"""Pictures and documents in a request: from base64, a `data:` URL or a public https address.

An address goes through the egress client like any other: a private one is refused before it is
asked (advisory group F). A document becomes text, read in the confined child where its format
can hurt.
"""

from __future__ import annotations

import base64
from typing import Final, Protocol

from carapace.agent.providers.ports import ImagePart
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.wire import Job, Reading
from carapace.config.settings.http import FileLimits, ImageLimits
from carapace.errors import Refused
from carapace.media.base64 import decode_base64, decode_data_url
from carapace.media.sniff import sniff
from carapace.media.types import MediaItem
from carapace.value import Value

__all__ = ["Fetch", "FileSource", "PromptFiles", "Reader", "RequestFiles", "Store"]

_PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MAX_FILES: Final = 16
_HEAD_BYTES: Final = 4_096
_READ_TIMEOUT_S: Final = 30.0
_PDF: Final = b"%PDF-"


class FileSource(Value, frozen=True, kw_only=True):
    """Where a file is: at `url` (https or data), or here in `data` (base64)."""

    url: str | None = None
    data: str | None = None
    filename: str | None = None


class PromptFiles(Protocol):
    """Brings what a request points to."""

    async def image(self, source: FileSource) -> ImagePart:
        """A picture for the model.

        Raises:
            Refused: If it may not be had, is too large, or is no picture.
        """
        ...

    async def text(self, source: FileSource) -> str:
        """What a document says, under its name.

        Raises:
            Refused: If it may not be had, is too large, or cannot be read.
        """
        ...


class Fetch(Protocol):
    """Fetches into the media store (`carapace.media.fetch.MediaFetcher`)."""

    async def fetch(self, url: str, *, max_bytes: int | None = None) -> MediaItem:
        """The file at a public https address.

        Raises:
            Refused: If a rule refuses it.
            Failed: If the server does not give it.
        """
        ...


class Store(Protocol):
    """Gives bytes back (`carapace.media.store.MediaStore`)."""

    async def read(self, media_id: str, *, max_bytes: int) -> bytes:
        """All bytes of a file."""
        ...


class Reader(Protocol):
    """Reads documents in the confined child (`ChildReader`)."""

    async def read(self, data: bytes, job: Job, *, timeout_s: float) -> Reading:
        """What it says.

        Raises:
            NotUnderstood: If it cannot be read.
        """
        ...


class RequestFiles:
    """The files of one request; satisfies `PromptFiles`.

    Args:
        fetch: For addresses.
        store: Where fetched files are.
        reader: For documents.
        images: Limits on pictures.
        files: Limits on documents.
    """

    def __init__(
        self, fetch: Fetch, store: Store, reader: Reader, *, images: ImageLimits, files: FileLimits
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._reader = reader
        self._images = images
        self._files = files
        self._count = 0

    async def image(self, source: FileSource) -> ImagePart:
        """See `PromptFiles`."""
        limits = self._images
        data = await self._bytes(source, limits.max_bytes, allow_url=limits.allow_url)
        kind = sniff(data[:_HEAD_BYTES]).content_type
        if kind not in _PICTURES:
            raise Refused("only PNG, JPEG, GIF and WebP pictures can be sent")
        return ImagePart(kind, base64.b64encode(data).decode())

    async def text(self, source: FileSource) -> str:
        """See `PromptFiles`."""
        limits = self._files
        data = await self._bytes(source, limits.max_bytes, allow_url=limits.allow_url)
        name = (source.filename or "file").replace('"', "'")[:200]
        text = await self._pdf(data) if data.startswith(_PDF) else _plain(data)
        if len(text) > limits.max_chars:
            text = text[: limits.max_chars] + "\n[the rest was left out: too long]"
        return f'<file name="{name}">\n{text}\n</file>'

    async def _pdf(self, data: bytes) -> str:
        limits = self._files
        job = Job(kind="pdf", max_chars=limits.max_chars, max_pages=limits.pdf.max_pages)
        try:
            return (await self._reader.read(data, job, timeout_s=_READ_TIMEOUT_S)).text
        except NotUnderstood as error:
            raise Refused(f"input_file: the document {error}") from error

    async def _bytes(self, source: FileSource, max_bytes: int, *, allow_url: bool) -> bytes:
        self._count += 1
        if self._count > _MAX_FILES:
            raise Refused(f"at most {_MAX_FILES} files can be sent with one request")
        if source.data is not None:
            if source.data.startswith("data:"):
                return decode_data_url(source.data, max_bytes=max_bytes)
            return decode_base64(source.data, max_bytes=max_bytes)
        url = source.url or ""
        if url[:5].lower() == "data:":
            return decode_data_url(url, max_bytes=max_bytes)
        if not allow_url:
            raise Refused("files at addresses are switched off here: send the data itself")
        item = await self._fetch.fetch(url, max_bytes=max_bytes)
        return await self._store.read(item.id, max_bytes=max_bytes)


def _plain(data: bytes) -> str:
    """A text, told by its bytes and not by what it is called.

    Raises:
        Refused: If it is none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Refused("input_file: only PDF and texts in UTF-8 can be read")
    return text
