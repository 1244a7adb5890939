"""People show a Zalo bot their photos, on a machine of its own.

Run as a program inside fresh namespaces (`support.namespace`): the real gateway with the real
plugin asks a server of the Bot API for updates, and the photos that those name lie at a public
address with a certificate that the gateway trusts. None of its rules is widened for them. What the
model was asked, what was fetched and how much of it are printed as JSON.

    python -m support.zalo_photo_in_world
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from carapace.media.image_size import image_size
from carapace_tools.golden.connection import Connection
from support.authority import shared_authority
from support.fake_llm import FakeLlm, fake_llm
from support.hostile_world import make_public
from support.media import png
from support.polling import until
from support.rebinding import PUBLIC
from support.zalo_gateway import admin, config_for, ok, zalo_gateway
from support.zalo_server import ZaloServer

__all__ = ["CAP_MB", "ENDLESS_BYTES", "PHOTOS", "Asked", "Report"]

BASE = f"https://{PUBLIC}"
PHOTOS = {"cat.png": png(31, 17), "dog.png": png(13, 29)}
CAP_MB = 1
ENDLESS_BYTES = 64 * 1024 * 1024
DEADLINE_S = 60.0
_PIECE = bytes(64 * 1024)


@dataclass(frozen=True)
class Asked:
    """One turn, as the model saw it.

    Attributes:
        text: Of the newest message, with all notes.
        sizes: Of the pictures that came with it, in pixels: the gateway writes them anew.
    """

    text: str
    sizes: list[tuple[int, int]]


@dataclass
class Report:
    """What came of it.

    Attributes:
        fetched: How often each path of the public address was asked for.
        fetched_before: The same at the moment when the stranger had been answered.
        turns: What the model was asked, by the word in the caption, or `bare`.
        sent_bytes: How much of the endless photo was taken.
        n_stored: Files in the media folder at the end.
        texts: What the bot wrote, with whom it wrote it to.
    """

    fetched: dict[str, int] = field(default_factory=dict[str, int])
    fetched_before: dict[str, int] = field(default_factory=dict[str, int])
    turns: dict[str, Asked] = field(default_factory=dict[str, Asked])
    sent_bytes: int = 0
    n_stored: int = 0
    texts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@asynccontextmanager
async def photos(report: Report) -> AsyncGenerator[None]:
    """Some photos at the public address, and two that are too large."""

    async def give(request: web.Request) -> web.StreamResponse:
        path = request.path
        report.fetched[path] = report.fetched.get(path, 0) + 1
        name = request.match_info["name"]
        if name in PHOTOS:
            return web.Response(body=PHOTOS[name], content_type="image/png")
        return await _endless(request, report)

    app = web.Application()
    app.router.add_get("/{who}/{name}", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        tls = shared_authority().server(PUBLIC)
        await web.TCPSite(runner, PUBLIC, 443, ssl_context=tls).start()
        yield
    finally:
        await runner.cleanup()


async def _endless(request: web.Request, report: Report) -> web.StreamResponse:
    """A photo that does not say how long it is, and is far too long."""
    response = web.StreamResponse(headers={"Content-Type": "image/png"})
    await response.prepare(request)
    await response.write(PHOTOS["cat.png"])
    try:
        while report.sent_bytes < ENDLESS_BYTES and not _has_left(request):
            await response.write(_PIECE)
            report.sent_bytes += len(_PIECE)
            # A write need not wait, least of all one that nobody takes any more.
            await asyncio.sleep(0)
    except ConnectionError:
        pass  # whoever fetches has had enough
    return response


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


class Story:
    """Tells what people do.

    Args:
        zalo: Where they do it.
        model: What the gateway asks.
        report: Gets what came of it.
    """

    def __init__(self, zalo: ZaloServer, model: FakeLlm, report: Report) -> None:
        self._zalo = zalo
        self._model = model
        self._report = report

    async def show(self, path: str, caption: str) -> None:
        """Linh sends a photo, and the bot writes something."""
        texts = len(self._zalo.called("sendMessage"))
        self._zalo.show(caption, photo_url=f"{BASE}/{path}", sender="linh")
        await self._written(texts + 1)

    async def tell(self, connection: Connection) -> None:
        """From the first photo of a stranger to one that has no end."""
        report = self._report
        await self.show("stranger/cat.png", "look, early!")
        code = re.search(r"Your code: (\S+)", self._zalo.called("sendMessage")[0]["text"])
        assert code is not None
        report.fetched_before = dict(report.fetched)
        await ok(connection, "channels.pairing.approve", {"channel": "zalo", "code": code[1]})
        await self._written(2)
        # Nobody answers in a group that is not named: the next answer is to what comes after.
        url = f"{BASE}/group/dog.png"
        self._zalo.show("look, group!", photo_url=url, sender="linh", chat="g1", group=True)
        await self.show("friend/cat.png", "look, cat! [[say:a cat]]")
        await self.show("friend/dog.png", "")
        await self.show("friend/endless.png", "look, endless! [[say:too much]]")
        for request in self._model.requests:
            asked = _asked(request["body"]["messages"])
            named = re.search(r"look, (\w+)!", asked.text)
            report.turns[named[1] if named else "bare"] = asked
        report.texts = [(one["chat_id"], one["text"]) for one in self._zalo.called("sendMessage")]

    async def _written(self, count: int) -> None:
        await until(lambda: len(self._zalo.called("sendMessage")) >= count, deadline_s=DEADLINE_S)


def _asked(messages: list[dict[str, Any]]) -> Asked:
    content = next(one for one in reversed(messages) if one["role"] == "user")["content"]
    if isinstance(content, str):
        return Asked(content, [])
    texts = [part["text"] for part in content if part["type"] == "text"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return Asked("\n".join(texts), [_size(url) for url in urls])


def _size(url: str) -> tuple[int, int]:
    content_type, _, data = url.removeprefix("data:").partition(";base64,")
    size = image_size(b64decode(data), content_type)
    assert size is not None
    return size.width_px, size.height_px


async def main(folder: Path) -> None:
    make_public()
    trust = folder / "trust.pem"
    trust.write_text(shared_authority().pem())
    os.environ["SSL_CERT_FILE"] = str(trust)
    report = Report()
    with ZaloServer() as zalo:
        async with fake_llm() as model, photos(report):
            config = config_for(int(model.url.rpartition(":")[2]), zalo, mediaMaxMb=CAP_MB)
            config["models"]["providers"]["fake"]["models"][0]["input"] = ["text", "image"]
            async with (
                zalo_gateway(folder / "gateway", config) as gateway,
                admin(gateway) as connection,
            ):
                await Story(zalo, model, report).tell(connection)
                kept = (gateway.state_dir / "media").rglob("*")
                report.n_stored = sum(path.is_file() for path in kept)
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="carapace-photo-in-") as text:
        asyncio.run(main(Path(text)))
        sys.stdout.flush()
