"""Pictures: their size from the header, and smaller clean copies made by a child process.

In this process only a header is read. Whatever decodes runs in `image_worker`: one process for
one picture, at most two at a time, killed at its deadline.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from carapace.errors import Failed, Refused
from carapace.media.image_size import HEADER_BYTES, ImageSize, image_size
from carapace.media.image_wire import (
    MAX_LINE_BYTES,
    MAX_PIXELS,
    Fault,
    Job,
    Rendered,
    decode_answer,
    encode,
)
from carapace.media.reader import MediaReader
from carapace.media.slots import Slots
from carapace.media.store import MediaStore
from carapace.media.types import MediaItem, MediaKind, Picture
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger

__all__ = ["COMMAND", "Images"]

_log = get_logger(__name__)

COMMAND: Final = (sys.executable, "-I", "-m", "carapace.media.image_worker")
_ROOT: Final = os.path.abspath(os.sep)  # noqa: PTH100 - a Path cannot name the root of any system
_KEPT_VARIABLES: Final = ("PATH", "LANG", "LD_LIBRARY_PATH")
_FORMATS: Final = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
_MAX_WAITING: Final = 32
_THUMBNAIL_EDGE_PX: Final = 320
_THUMBNAIL_BYTES: Final = 256 * 1024


class Images:
    """Looks at pictures in the store.

    Args:
        store: Where they are.
        audit: Gets a line for each picture that asks for too much.
        max_at_once: How many are decoded at the same time.
        timeout_s: Deadline of one, without its wait for its turn.
        command: What decodes; our process id and the job are added.
    """

    def __init__(
        self,
        store: MediaStore,
        *,
        audit: Audit,
        max_at_once: int = 2,
        timeout_s: float = 30.0,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._store = store
        self._audit = audit
        self._slots = Slots(
            max_at_once, max_waiting=_MAX_WAITING, what="pictures wait to be opened"
        )
        self._timeout_s = timeout_s
        self._command = tuple(command)

    async def size(self, media_id: str) -> ImageSize:
        """What a picture's header says; nothing is decoded.

        Raises:
            Refused: If it is no picture, its header makes no sense, or it has too many pixels.
            Failed: If it cannot be read.
        """
        async with self._store.open_file(media_id) as reader:
            return await self._checked(reader)

    async def render(
        self, media_id: str, *, max_edge_px: int = 2048, max_bytes: int = 4_000_000
    ) -> Picture:
        """A picture's first frame as JPEG or PNG: upright, no larger, without metadata.

        Args:
            media_id: The picture.
            max_edge_px: Longest side of the result; a smaller picture keeps its size.
            max_bytes: Longest result; the picture shrinks until it fits.

        Raises:
            Refused: If it is no picture that can be opened here, or asks for too much.
            Failed: If Pillow is missing, or the process died.
        """
        async with self._store.open_file(media_id) as reader:
            await self._checked(reader)
            name = _FORMATS.get(reader.item.content_type)
            if name is None:
                raise Refused(
                    f"pictures of type {reader.item.content_type} cannot be opened here: send it "
                    "as JPEG or PNG"
                )
            job = Job(name, reader.item.size_bytes, max_edge_px, max_bytes)
            async with self._slots.one():
                return await self._run(reader, job)

    async def thumbnail(self, media_id: str, *, max_edge_px: int = _THUMBNAIL_EDGE_PX) -> MediaItem:
        """A small copy in the store, without an owner yet; as `render`."""
        picture = await self.render(media_id, max_edge_px=max_edge_px, max_bytes=_THUMBNAIL_BYTES)
        return await self._store.put_bytes(picture.data, source="thumbnail")

    async def _checked(self, reader: MediaReader) -> ImageSize:
        item = reader.item
        if item.kind is not MediaKind.IMAGE:
            raise Refused(f"the file is {item.content_type}, which is no picture: send a picture")
        size = image_size(await reader.read(0, HEADER_BYTES), item.content_type)
        if size is None:
            raise Refused("the header of the picture makes no sense: save it again, then send it")
        if size.pixels > MAX_PIXELS:
            raise self._refused(f"it has {size.width_px} x {size.height_px} pixels")
        return size

    def _refused(self, why: str) -> Refused:
        self._audit.record(AuditKind.MEDIA_REFUSED, source="picture", reason=why)
        return Refused(
            f"the picture asks for too much ({why}; {MAX_PIXELS} pixels are taken): send a "
            "smaller one"
        )

    async def _run(self, reader: MediaReader, job: Job) -> Picture:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            str(os.getpid()),
            encode(job).decode(),
            stdin=reader.fileno(),
            stdout=PIPE,
            stderr=DEVNULL,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
            cwd=_ROOT,
            start_new_session=True,  # Ctrl-C is for the gateway
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                said = await _read_all(process, MAX_LINE_BYTES + job.max_bytes)
                code = await process.wait()
        except TimeoutError:
            raise self._refused(f"it took more than {self._timeout_s:g} s to open") from None
        finally:
            # Shielded: a caller in a hurry must leave no process behind.
            await asyncio.shield(_end(process))
        return self._picture(said, code)

    def _picture(self, said: bytes, code: int) -> Picture:
        line, _, data = said.partition(b"\n")
        try:
            message = decode_answer(line)
        except msgspec.DecodeError:
            raise self._died(code) from None
        if isinstance(message, Rendered) and message.size_bytes == len(data):
            return Picture(
                data=data,
                content_type=message.content_type,
                width_px=message.width_px,
                height_px=message.height_px,
            )
        raise self._fault(message) if isinstance(message, Fault) else self._died(code)

    def _fault(self, fault: Fault) -> Refused | Failed:
        if fault.kind == "missing":
            return Failed(
                "pictures cannot be opened, because Pillow is not installed: install "
                "carapace-gateway[media], then start the gateway again",
                retryable=False,
            )
        if fault.kind == "refused":
            return self._refused(fault.message)
        _log.info("picture not opened", reason=fault.message)
        return Refused("the picture is damaged or of a form that is not known: send it again")

    def _died(self, code: int) -> Refused:
        """The kernel ends it at its caps, as a crash of the decoder does; neither is our fault."""
        cause = signal.Signals(-code).name if code < 0 else f"code {code}"
        return self._refused(f"the process that opened it ended with {cause}")


async def _read_all(process: Process, max_bytes: int) -> bytes:
    """All of its output, but no more than `max_bytes`."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    said = bytearray()
    while len(said) <= max_bytes and (piece := await process.stdout.read(65_536)):
        said += piece
    return bytes(said)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while await process.stdout.read(65_536):  # else its end is never seen, and the pipe stays open
        continue
    await process.wait()
