"""One file over HTTP into a path, continued where an earlier run stopped."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import httpx2

from carapace.errors import Failed

__all__ = ["disk_full", "fetch_into", "sha256_of"]

_BUFFER_BYTES = 1024 * 1024
_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def sha256_of(path: Path) -> str:
    """Hex digest of a file; blocks, so call it in a thread."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_full(error: OSError, folder: Path) -> Failed:
    """What a failed write means, for people."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Failed(f"The disk is full at {folder}. Free some space, then run it again.")
    return Failed(f"Cannot write to {folder}: {error.strerror or error}")


async def fetch_into(
    client: httpx2.AsyncClient,
    url: str,
    path: Path,
    *,
    max_bytes: int,
    on_start: Callable[[int, int | None], None],
    on_bytes: Callable[[int], None],
    headers: Mapping[str, str] | None = None,
    validator: Path | None = None,
) -> None:
    """Complete `path` from `url`.

    What is already there is kept and the rest asked for with a Range (RFC 9110 section 14); a
    server that ignores it sends all again. The caller checks a hash afterwards.

    Args:
        client: A guarded client.
        url: Where.
        path: The unfinished file; its folder exists.
        max_bytes: Bound of the whole file.
        on_start: Told once: bytes that are kept, and the size of the whole if known.
        on_bytes: Told of bytes as they are written.
        headers: More headers.
        validator: Keeps the ETag of a file whose hash nobody knows beforehand, so that two
            versions of it are never mixed; without a strong one such a file starts anew.

    Raises:
        Failed: The server refused, sent too much or too little, or the disk is full.
        httpx2.HTTPError: The connection failed; what has come so far stays in `path`.
    """
    have = _size(path)
    asked = {"accept-encoding": "identity", **(headers or {})}
    if have and validator is not None:
        if etag := _read_text(validator):
            asked["if-range"] = etag  # RFC 9110 section 13.1.5
        else:
            have = 0
    if have:
        asked["range"] = f"bytes={have}-"
    async with client.stream("GET", url, headers=asked) as response:
        if have and response.status_code == _RANGE_NOT_SATISFIABLE:
            on_start(have, have)  # nothing is missing, if the file is the right one
            return
        if not response.is_success:
            raise Failed(f"The server answered {response.status_code}.")
        kept, total = _plan(response, have)
        if total is not None and total > max_bytes:
            raise Failed(f"The file has {total} bytes, more than the {max_bytes} expected.")
        on_start(kept, total)
        if validator is not None and kept == 0:
            _keep_etag(response, validator)
        await _write(response, path, kept, max_bytes, on_bytes)
    size = _size(path)
    if total is not None and size != total:
        raise Failed(f"The server sent {size} of {total} bytes.")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _read_text(path: Path) -> str:
    return path.read_text(encoding="ascii") if path.exists() else ""


def _keep_etag(response: httpx2.Response, validator: Path) -> None:
    etag = response.headers.get("etag", "")
    is_strong = etag.startswith('"') and etag.isascii()
    validator.write_text(etag if is_strong else "", encoding="ascii")


def _plan(response: httpx2.Response, have: int) -> tuple[int, int | None]:
    """How many bytes to keep, and how many there will be."""
    if response.status_code == _PARTIAL:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if match is None or int(match[1]) != have:
            raise Failed("The server answered with another range than was asked for.")
        return have, None if match[2] == "*" else int(match[2])
    length = response.headers.get("content-length", "")
    return 0, int(length) if length.isascii() and length.isdigit() else None


async def _write(
    response: httpx2.Response,
    path: Path,
    kept: int,
    max_bytes: int,
    on_bytes: Callable[[int], None],
) -> None:
    size = kept
    pending = bytearray()
    try:
        with _open_at(path, kept) as file:
            try:
                async for piece in response.aiter_raw():
                    size += len(piece)
                    if size > max_bytes:
                        raise Failed(f"The server sent more than the {max_bytes} bytes expected.")
                    pending += piece
                    on_bytes(len(piece))
                    if len(pending) >= _BUFFER_BYTES:
                        # A disk may stall for seconds; the loop must not.
                        await asyncio.to_thread(_put, file, pending)
            finally:
                _put(file, pending)  # also after Ctrl-C, so that nothing that came is lost
    except OSError as error:
        raise disk_full(error, path.parent) from error


def _open_at(path: Path, kept: int) -> BinaryIO:
    if _size(path) > kept:
        os.truncate(path, kept)
    file = path.open("ab")
    file.seek(kept)
    return file


def _put(file: BinaryIO, pending: bytearray) -> None:
    file.write(pending)
    pending.clear()
    file.flush()
