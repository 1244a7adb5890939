"""A gateway's server and media rooms in a process of their own, so that its memory is its own.

    python media_gateway.py FOLDER HOSTILE_PORT MAX_ITEM_MB

Prints the port it listens on. `GET /health` is the real page. `POST /fetch/NAME` fetches that path
of the hostile server and opens what is a picture; `POST /peak` starts measuring memory, `GET /peak`
gives the most that was in use since, in bytes. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from carapace.clock import SystemClock
from carapace.config.settings.media import MediaSettings
from carapace.errors import Failed, Refused
from carapace.media.fetch import MediaFetcher
from carapace.media.images import Images
from carapace.media.pace import Pace
from carapace.media.store import MediaStore
from carapace.media.types import MediaKind
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.server.app import GatewayServer
from carapace.server.http_errors import json_response
from carapace.server.http_health import HealthRoutes
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.health import Readiness
from carapace.telemetry.metrics import Metrics
from support.server import ScriptedAdmitter, audit_in, running_server

__all__ = ["COMMAND", "environment"]

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


def environment() -> dict[str, str]:
    """So that the process finds this folder's packages."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


class _Doors:
    """What the test may ask for."""

    def __init__(self, fetcher: MediaFetcher, images: Images, caller: EgressCaller) -> None:
        self._fetcher = fetcher
        self._images = images
        self._caller = caller
        self._base = f"http://127.0.0.1:{next(iter(caller.policy.allow_hosts))[1]}/"

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post("/fetch/{name}", self.fetch)
        router.add_post("/peak", self.reset)
        router.add_get("/peak", self.peak)

    async def fetch(self, request: web.Request) -> web.Response:
        said: dict[str, Any] = {"outcome": "stored", "type": None, "picture": None, "text": ""}
        try:
            item = await self._fetcher.fetch(self._base + request.match_info["name"], self._caller)
        except (Refused, Failed) as error:
            said["outcome"] = "refused" if isinstance(error, Refused) else "failed"
            said["text"] = error.message
            return json_response(said)
        said["type"] = item.content_type
        if item.kind is MediaKind.IMAGE:
            try:
                await self._images.render(item.id)
                said["picture"] = "rendered"
            except Refused as error:
                said["picture"], said["text"] = "refused", error.message
        return json_response(said)

    async def reset(self, _request: web.Request) -> web.Response:
        # proc(5): 5 sets the peak back to what is in use now.
        Path("/proc/self/clear_refs").write_text("5")
        return json_response({"bytes": _peak_bytes()})

    async def peak(self, _request: web.Request) -> web.Response:
        return json_response({"bytes": _peak_bytes()})


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def _serve(folder: Path, hostile_port: int, max_item_mb: int) -> None:
    clock, metrics = SystemClock(), Metrics("test", with_process=False)
    audit = audit_in(folder / "audit")
    database = await SqliteDatabase.open(folder / "carapace.db")
    store = await MediaStore.open(
        folder / "media",
        database,
        settings=MediaSettings(max_item_mb=max_item_mb),
        clock=clock,
        audit=audit,
        metrics=metrics,
    )
    fetcher = MediaFetcher(
        Egress(audit),
        store,
        clock=clock,
        audit=audit,
        metrics=metrics,
        total_timeout_s=6.0,
        silence_timeout_s=1.0,
        pace=Pace(min_bytes_per_s=1024, grace_s=0.5),
    )
    allowed = frozenset({("127.0.0.1", hostile_port)})
    caller = EgressCaller("media:test", EgressPolicy(allow_hosts=allowed))
    doors = _Doors(fetcher, Images(store, audit=audit), caller)

    def prepare(server: GatewayServer, admitter: ScriptedAdmitter) -> None:
        health = HealthRoutes(Readiness(), admitter=admitter, origin_of=server.guard.origin)
        server.add(health)
        server.add(doors)

    async with running_server(folder / "server", prepare=prepare) as running:
        print(running.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await store.aclose()
    await database.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
