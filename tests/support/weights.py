"""A tiny model, a hub and a package index that have it, all on loopback."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from carapace.agent.weights.index import Index
from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import WeightPart, Weights
from carapace.agent.weights.progress import Progress
from carapace.agent.weights.pull import Puller
from carapace.agent.weights.sources import Hub, Mirror
from support.clock import FakeClock
from support.egress import make_egress, serving

__all__ = ["MODEL", "Shelf", "Workbench", "tiny_weights", "workbench"]

MODEL = b"GGUF" + bytes(range(256)) * 40
SLICES = (MODEL[:4000], MODEL[4000:7000], MODEL[7000:])


def wheel(number: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"tiny_part{number}/data/part{number:02d}.bin", SLICES[number - 1])
    return buffer.getvalue()


WHEELS = tuple(wheel(number) for number in (1, 2, 3))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tiny_weights(hub_url: str = "http://127.0.0.1:1/model.gguf") -> Weights:
    return Weights(
        name="tiny",
        title="Tiny",
        filename="tiny.gguf",
        sha256=sha(MODEL),
        size_bytes=len(MODEL),
        licence="Apache-2.0",
        attribution="nobody",
        chat_template="chatml",
        context_tokens=512,
        needs_free_bytes=0,
        hub_url=hub_url,
        parts=tuple(
            WeightPart(
                f"tiny-part{number}",
                "1.0",
                sha(data),
                f"tiny_part{number}/data/part{number:02d}.bin",
            )
            for number, data in enumerate(WHEELS, start=1)
        ),
    )


@dataclass
class Shelf:
    """What the servers have and how they behave; a test changes it."""

    model: bytes = MODEL
    wheels: dict[str, bytes] = field(
        default_factory=lambda: {
            f"tiny_part{number}-1.0-py3-none-any.whl": data
            for number, data in enumerate(WHEELS, start=1)
        }
    )
    html: bool = False
    hub_status: int = 200
    cut_after: dict[str, int] = field(default_factory=dict)
    with_ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        self.asked.append((name, request.headers.get("range", "")))
        if name == "model.gguf" and self.hub_status != 200:
            return web.Response(status=self.hub_status)
        data = self.model if name == "model.gguf" else self.wheels[name]
        start = 0
        if self.with_ranges and (wanted := request.headers.get("range")):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                return web.Response(status=416)
        headers = {"content-length": str(len(data) - start), "etag": '"v1"'}
        if start:
            headers["content-range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        cut = self.cut_after.pop(name, None)
        await response.write(data[start:cut])
        if cut is not None and request.transport is not None:
            request.transport.close()
        return response

    async def page(self, request: web.Request) -> web.Response:
        project = request.match_info["project"].replace("-", "_")
        names = [name for name in self.wheels if name.startswith(f"{project}-")]
        if not names:
            return web.Response(status=404)
        if self.html:
            links = [f'<a href="/files/{n}#sha256={sha(self.wheels[n])}">{n}</a>' for n in names]
            return web.Response(text="<html>" + "".join(links), content_type="text/html")
        rows = [
            {"filename": n, "url": f"/files/{n}", "hashes": {"sha256": sha(self.wheels[n])}}
            for n in names
        ]
        return web.json_response(
            {"files": rows}, content_type="application/vnd.pypi.simple.v1+json"
        )


@dataclass
class Workbench:
    """Everything a test of the pulling needs."""

    shelf: Shelf
    puller: Puller
    library: Library
    weights: Weights
    port: int
    reports: list[Progress]
    free_bytes: list[int]


@asynccontextmanager
async def workbench(tmp_path: Path) -> AsyncGenerator[Workbench]:
    """A puller between a fake hub and a fake index."""
    shelf = Shelf()
    async with serving(
        web.get("/model.gguf", shelf.send),
        web.get("/files/{name}", shelf.send),
        web.get("/simple/{project}/", shelf.page),
    ) as port:
        egress, _ = make_egress(tmp_path)
        library = Library(tmp_path / "models")
        free = [10**12]

        async def find_index() -> Index:
            return Index(f"http://127.0.0.1:{port}/simple", "a test")

        sources = (Hub(egress, frozenset([("127.0.0.1", port)])), Mirror(egress, find_index))
        puller = Puller(
            library, egress, sources, clock=FakeClock(), free_bytes=lambda _folder: free[0]
        )
        weights = replace(tiny_weights(), hub_url=f"http://127.0.0.1:{port}/model.gguf")
        yield Workbench(shelf, puller, library, weights, port, [], free)
