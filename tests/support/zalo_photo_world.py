"""Photos on their way from a public address through the gateway to Zalo, on a machine of its own.

Run as a program inside fresh namespaces (`support.namespace`), where the pictures have a public
address and a certificate that the gateway trusts: none of its rules is widened for them. The owner
has pictures sent with `send`; the server of the Bot API fetches each several times from the link
that it is given. What everybody saw is printed as JSON.

    python -m support.zalo_photo_world
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from carapace_tools.golden.connection import Connection
from support.authority import shared_authority
from support.fake_llm import fake_llm
from support.gateway import free_port
from support.hostile_world import make_public
from support.media import PNG
from support.rebinding import PUBLIC
from support.zalo_gateway import CALL_DEADLINE_S, admin, config_for, zalo_gateway
from support.zalo_server import ZaloServer, fetched

__all__ = ["FETCH_TIMES", "PICTURES", "Report"]

FETCH_TIMES = 3
DEADLINE_S = 60.0
PICTURES = {"cat.png": PNG, "dog.gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"}
PAPER = "paper.pdf"
BASE = f"https://{PUBLIC}"


@dataclass
class Report:
    """What came of it.

    Attributes:
        asked: Paths that the gateway fetched from the public address.
        answers: Of `send`, by idempotency key: the payload, or the text of the error.
        sent: Fields of each `sendPhoto`.
        texts: Of each `sendMessage`.
        photos: Status, type and SHA-256 of each time that Zalo fetched a photo.
        later: The same of the first photo, asked for once more at the end.
        states: Of the outbox's messages, oldest first, each with its reason.
    """

    asked: list[str] = field(default_factory=list[str])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    texts: list[str] = field(default_factory=list[str])
    photos: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    later: tuple[int, str, str] | None = None
    states: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


@asynccontextmanager
async def pictures(asked: list[str]) -> AsyncGenerator[None]:
    """Some pictures and a paper at the public address; paths that were fetched go to `asked`."""
    files = {**PICTURES, PAPER: b"%PDF-1.7\n%%EOF\n"}

    async def give(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=files[request.match_info["name"]])

    app = web.Application()
    app.router.add_get("/{name}", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(
            runner, PUBLIC, 443, ssl_context=shared_authority().server(PUBLIC)
        ).start()
        yield
    finally:
        await runner.cleanup()


async def send(connection: Connection, key: str, **params: Any) -> Any:
    """The payload of `send`, or the text of its error."""
    name = uuid.uuid4().hex
    given = {"to": "u1", "channel": "zalo", "idempotencyKey": key, "message": "", **params}
    await connection.send({"type": "req", "id": name, "method": "send", "params": given})
    [answer] = await connection.until(lambda: connection.answers(name), "send", CALL_DEADLINE_S)
    return answer["payload"] if answer["ok"] else answer["error"]["message"]


async def once_it_runs(connection: Connection, params: dict[str, Any]) -> None:
    """Send the first one; a plugin that was just installed takes a moment to open its account."""
    while True:
        if "does not run" not in str(await send(connection, "one", **params)):
            return
        await asyncio.sleep(0.1)


async def states(connection: Connection) -> list[tuple[str, str]]:
    """Of the outbox's messages, oldest first."""
    name = uuid.uuid4().hex
    await connection.send({"type": "req", "id": name, "method": "outbox.list", "params": {}})
    [answer] = await connection.until(lambda: connection.answers(name), "list", CALL_DEADLINE_S)
    items = reversed(answer["payload"]["items"])
    return [(one["state"], one.get("reason") or "") for one in items]


async def ended(connection: Connection, count: int) -> list[tuple[str, str]]:
    """The same, when so many messages have come to an end, or after a minute."""
    found = await states(connection)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            while sum(state in {"delivered", "dead"} for state, _ in found) < count:
                await asyncio.sleep(0.2)
                found = await states(connection)
    return found


async def told(zalo: ZaloServer, connection: Connection) -> Report:
    """Send pictures as people do, and what must not go out."""
    report = Report()
    async with pictures(report.asked):
        cat, dog = f"{BASE}/cat.png", f"{BASE}/dog.gif"
        wanted: dict[str, dict[str, Any]] = {
            "one": {"message": "a cat", "mediaUrl": cat},
            "again": {"message": "two animals", "mediaUrls": [cat, dog]},
            "own": {"mediaUrl": "https://127.0.0.1/cat.png"},
            "paper": {"message": "read this", "mediaUrl": f"{BASE}/{PAPER}"},
        }
        async with asyncio.timeout(DEADLINE_S):
            await once_it_runs(connection, wanted["one"])
        for key, params in wanted.items():
            report.answers[key] = await send(connection, key, **params)
        report.answers["one, repeated"] = await send(connection, "one", **wanted["one"])
    report.states = await ended(connection, 3)
    report.sent = [dict(one) for one in zalo.called("sendPhoto")]
    report.texts = [one["text"] for one in zalo.called("sendMessage")]
    report.photos = [_short(one) for one in zalo.photos]
    if report.sent:
        report.later = _short(await asyncio.to_thread(fetched, report.sent[0]["photo"]))
    return report


def _short(one: Any) -> tuple[int, str, str]:
    return one.status, one.content_type, hashlib.sha256(one.body).hexdigest()


async def main(folder: Path) -> None:
    make_public()
    trust = folder / "trust.pem"
    trust.write_text(shared_authority().pem())
    os.environ["SSL_CERT_FILE"] = str(trust)
    port = free_port()
    with ZaloServer() as zalo:
        zalo.fetch_times = FETCH_TIMES
        async with fake_llm() as model:
            config = config_for(int(model.url.rpartition(":")[2]), zalo)
            config["media"] = {"links": {"publicUrl": f"http://127.0.0.1:{port}"}}
            async with (
                zalo_gateway(folder / "gateway", config, port=port) as gateway,
                admin(gateway) as connection,
            ):
                report = await told(zalo, connection)
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="carapace-photo-") as text:
        asyncio.run(main(Path(text)))
        sys.stdout.flush()
