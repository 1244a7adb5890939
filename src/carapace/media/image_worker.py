"""The process that decodes one picture: `python -I -m carapace.media.image_worker`.

Decoders are large native libraries that read what strangers send, so they run here: with caps
on memory and CPU time, without files, sockets or secrets, for one picture and then never again.

Pillow is imported here and nowhere else.
"""

from __future__ import annotations

import codecs
import importlib
import io
import os
import sys
from typing import Any, BinaryIO

from carapace.confine import confine
from carapace.media.image_wire import (
    MAX_CPU_S,
    MAX_MEMORY_BYTES,
    MAX_PIXELS,
    Fault,
    FromWorker,
    Job,
    Rendered,
    decode_job,
    encode,
)
from carapace.media.seal import seal

__all__ = ["answer", "load", "main", "render"]

_PLUGINS = {
    "AVIF": "AvifImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "JPEG": "JpegImagePlugin",
    "MPO": "MpoImagePlugin",  # a JPEG of some phones: more than one picture in a file
    "PNG": "PngImagePlugin",
    "TIFF": "TiffImagePlugin",
    "WEBP": "WebPImagePlugin",
}
_LATE = ("PIL.ImageOps", "PIL.ImagePalette", "PIL.ImageColor", "PIL.TiffTags", "copy")
"""What Pillow imports only when a picture needs it."""
_CODECS = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-le", "utf-16-be")
_QUALITY = 85
_SHRINK = 0.7
_LEAST_EDGE_PX = 16


class _Refused(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The picture asks for too much."""


def load(job: Job) -> Any:
    """Import all that this job will need, since nothing can be opened later.

    Raises:
        ImportError: If Pillow, or its part for this format, is not installed.
    """
    image: Any = importlib.import_module("PIL.Image")
    for name in _LATE:
        importlib.import_module(name)
    needed = {job.format, "JPEG", "PNG", "MPO", "TIFF"}  # TIFF also reads how a camera was held
    for name in sorted(needed):
        plugin: Any = importlib.import_module(f"PIL.{_PLUGINS[name]}")
        if name == "AVIF":
            plugin.DEFAULT_MAX_THREADS = 1  # a sealed process has one thread
    image.preinit()
    image.MAX_IMAGE_PIXELS = None  # `render` has a cap of its own, which is no warning
    for name in _CODECS:
        codecs.lookup(name)
    return image


def render(image: Any, data: bytes, job: Job) -> tuple[Rendered, bytes]:
    """The first frame of `data` upright, at most so large, without anybody's metadata.

    Raises:
        Exception: Whatever a decoder raises.
    """
    formats = [job.format, "MPO"] if job.format == "JPEG" else [job.format]
    opened = image.open(io.BytesIO(data), formats=formats)
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise _Refused(f"it has {width} x {height} pixels")
    if job.format == "JPEG":
        opened.draft("RGB", (job.max_edge_px, job.max_edge_px))
    # In place, and never two of full size: the cap on memory is near.
    sys.modules["PIL.ImageOps"].exif_transpose(opened, in_place=True)
    plain = _plain(opened)
    del opened
    plain.thumbnail((job.max_edge_px, job.max_edge_px))
    edge = max(plain.size)
    while True:
        small = plain.copy()
        small.thumbnail((edge, edge))
        form, content_type = ("PNG", "image/png") if small.mode == "RGBA" else _JPEG
        out = io.BytesIO()
        small.save(out, form, quality=_QUALITY, optimize=True)
        made = out.getvalue()
        if len(made) <= job.max_bytes:
            return Rendered(content_type, small.width, small.height, len(made)), made
        edge = int(max(small.size) * _SHRINK)
        if edge < _LEAST_EDGE_PX:
            raise _Refused("it does not become small enough")


_JPEG = ("JPEG", "image/jpeg")


def _plain(opened: Any) -> Any:
    """As RGB, or RGBA if something shines through; what else came with it is dropped."""
    if opened.mode.startswith("I"):  # sixteen bits of grey
        opened = opened.point(_eight_bits).convert("L")
    mode = "RGBA" if opened.has_transparency_data else "RGB"
    plain = opened if opened.mode == mode else opened.convert(mode)
    plain.info = {}
    return plain


def _eight_bits(value: Any) -> Any:
    return value * (1 / 256)


def answer(image: Any, data: bytes, job: Job) -> tuple[FromWorker, bytes]:
    """The picture, or why there is none."""
    try:
        return render(image, data, job)
    except (MemoryError, _Refused) as error:
        return Fault("refused", str(error) or "it needs too much memory"), b""
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises, the gateway must hear it
        return Fault("broken", f"{type(error).__name__}: {error}"[:500]), b""


def main(argv: list[str], source: BinaryIO, out: BinaryIO) -> None:
    """Give everything up, then do the one job.

    Args:
        argv: Process id of the parent, and the job as JSON.
        source: The picture.
        out: Where the answer goes.
    """
    confine(int(argv[0]), max_memory_bytes=MAX_MEMORY_BYTES, max_cpu_s=MAX_CPU_S)
    job = decode_job(argv[1])
    try:
        image = load(job)
    except ImportError as error:
        message, made = Fault("missing", str(error)), b""
    else:
        seal()
        message, made = answer(image, source.read(job.size_bytes), job)
    out.write(encode(message) + b"\n" + made)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # a sealed interpreter cannot tidy up
