"""A download is stored whole, typed by content, or not at all."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carapace.clock import SystemClock
from carapace.errors import Failed, Refused
from carapace.media.fetch import MediaFetcher
from carapace.media.pace import Pace
from carapace.media.store import TooLarge
from carapace.media.types import MediaKind
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.proxy import Proxy
from support.egress import NameTable, make_egress, serving
from support.media import PNG, MediaHouse, media_house
from support.proxy_server import http_proxy
from support.public_web import public_host

MEBIBYTE = 1024 * 1024


@dataclass
class Rig:
    house: MediaHouse
    fetcher: MediaFetcher
    caller: EgressCaller
    port: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def fetch(self, path: str, **more: Any):
        return await self.fetcher.fetch(self.url(path), self.caller, **more)

    def count(self, outcome: str) -> float:
        name = "carapace_media_fetches_total"
        registry = self.house.metrics.registry
        return registry.get_sample_value(name, {"outcome": outcome}) or 0

    def reason(self) -> tuple[str, str]:
        line = self.house.trail.lines()[-1]
        assert line["kind"] == "media.refused"
        return line["source"], line["reason"]


@asynccontextmanager
async def rig(folder: Path, *routes: web.AbstractRouteDef, **more: Any) -> AsyncGenerator[Rig]:
    """A fetcher that may reach one small server on loopback."""
    async with media_house(folder, max_item_mb=1) as house, serving(*routes) as port:
        egress, _ = make_egress(folder / "net", names=NameTable())
        more = {"clock": SystemClock(), **more}
        fetcher = MediaFetcher(
            egress, house.store, audit=house.trail.audit, metrics=house.metrics, **more
        )
        policy = EgressPolicy(allow_hosts=frozenset({("127.0.0.1", port)}))
        yield Rig(house, fetcher, EgressCaller("media:test", policy), port)


def body(data: bytes, status: int = 200, **headers: str) -> web.AbstractRouteDef:
    async def give(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=data, status=status, headers=named)

    return web.get("/file", give)


async def test_a_file_is_stored_and_its_claims_are_not_believed(tmp_path: Path):
    route = body(
        PNG,
        Content_Type="text/html",
        Content_Disposition='attachment; filename="../../x.exe"',
    )
    async with rig(tmp_path, route) as r:
        item = await r.fetch("/file")
        assert (item.content_type, item.filename) == ("image/png", "x.exe")
        assert await r.house.store.read(item.id, max_bytes=1000) == PNG
        assert r.count("stored") == 1
        assert (await r.fetch("/file", filename="ours.png")).filename == "ours.png"


async def test_the_address_names_it_if_nothing_else_does(tmp_path: Path):
    async with rig(tmp_path, body(PNG)) as r:
        assert (await r.fetch("/file?token=secret")).filename == "file"


async def test_compressed_bodies_count_in_full(tmp_path: Path):
    fine, bomb = gzip.compress(PNG), gzip.compress(bytes(50 * MEBIBYTE))
    assert len(bomb) < MEBIBYTE

    async def give(request: web.Request) -> web.Response:
        data = fine if "fine" in request.query else bomb
        return web.Response(body=data, headers={"Content-Encoding": "gzip"})

    async with rig(tmp_path, web.get("/file", give)) as r:
        assert (await r.fetch("/file?fine")).size_bytes == len(PNG)
        with pytest.raises(TooLarge, match="1048576 bytes"):
            await r.fetch("/file")
        assert len(r.house.files()) == 1
        assert r.reason()[0] == "media:test 127.0.0.1"


async def test_a_length_beyond_the_cap_is_not_even_begun(tmp_path: Path):
    async with rig(tmp_path, body(bytes(2000))) as r:
        with pytest.raises(TooLarge, match="longer than 1999 bytes"):
            await r.fetch("/file", max_bytes=1999)
        assert (await r.fetch("/file", max_bytes=2000)).size_bytes == 2000
        assert r.count("refused") == 1


async def test_a_body_that_does_not_end_is_cut_at_the_cap(tmp_path: Path):
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))
            sent += 65_536

    async with rig(tmp_path, web.get("/file", flood)) as r:
        with pytest.raises(TooLarge):
            await r.fetch("/file")
        assert r.house.files() == []
    assert sent < 20 * MEBIBYTE


@pytest.mark.parametrize(
    ("status", "is_later"), [(404, False), (403, False), (429, True), (503, True)]
)
async def test_error_pages_are_not_stored(tmp_path: Path, status: int, is_later: bool):
    async with rig(tmp_path, body(PNG, status)) as r:
        with pytest.raises(Failed, match=f"127.0.0.1 answered {status}") as caught:
            await r.fetch("/file")
        assert caught.value.retryable is is_later
        assert r.house.files() == []
        assert r.count("failed") == 1


async def test_kinds_are_decided_by_content(tmp_path: Path):
    async with rig(tmp_path, body(b"<html>hello", Content_Type="image/png")) as r:
        with pytest.raises(Refused, match="text/html by its content"):
            await r.fetch("/file", accept=frozenset({MediaKind.IMAGE}))
        assert r.reason()[0] == "media:test 127.0.0.1"


@pytest.mark.slow
@pytest.mark.parametrize("is_silent", [True, False])
async def test_slow_bodies_are_given_up(tmp_path: Path, is_silent: bool):
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not request.transport or not request.transport.is_closing():
            await response.write(b"x")
            await asyncio.sleep(60 if is_silent else 0.01)
        return response

    limits = {"silence_timeout_s": 0.2, "pace": Pace(min_bytes_per_s=5000, grace_s=0.3)}
    async with rig(tmp_path, web.get("/file", drip), **limits) as r:
        with pytest.raises(Failed, match="too slowly"):
            await r.fetch("/file")
        assert r.reason()[1] == "the server was too slow"
        assert r.house.files() == []


@pytest.mark.slow
async def test_waiting_counts_towards_the_deadline_and_lines_have_an_end(tmp_path: Path):
    gate = asyncio.Event()

    async def stuck(request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(body=PNG)

    limits = {"max_at_once": 1, "total_timeout_s": 0.5}
    async with rig(tmp_path, web.get("/file", stuck), **limits) as r:
        tasks = [asyncio.create_task(r.fetch("/file")) for _ in range(66)]
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert all(isinstance(one, Failed) for one in results)
        said = [one.message for one in results if isinstance(one, Failed)]
        assert sum("wait to be fetched already" in one for one in said) == 1
        assert sum("too slowly" in one for one in said) == 65
        gate.set()
        assert (await r.fetch("/file")).size_bytes == len(PNG)


async def test_a_body_that_breaks_off_leaves_nothing(tmp_path: Path):
    async def lie(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(bytes(1000))
        assert request.transport is not None
        request.transport.close()
        return response

    async with rig(tmp_path, web.get("/file", lie)) as r:
        with pytest.raises(Failed, match="broke off in the middle"):
            await r.fetch("/file")
        assert r.house.files() == []


async def test_codings_that_were_not_asked_for_are_not_unpacked(tmp_path: Path):
    async with rig(tmp_path, body(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd")) as r:
        with pytest.raises(Failed, match="cannot be unpacked"):
            await r.fetch("/file")
        assert r.house.files() == []


async def test_rules_of_the_way_out_hold(tmp_path: Path):
    async with rig(tmp_path, body(PNG)) as r:
        for url in (
            "http://10.0.0.1/x",
            "https://169.254.169.254/latest",
            "https://localhost/x",
            "file:///etc/passwd",
            f"http://127.0.0.1:{r.port + 1}/file",
            "https://files.example:port/x",
        ):
            with pytest.raises(Refused):
                await r.fetcher.fetch(url, r.caller)
        with pytest.raises(Refused):
            await r.fetcher.fetch(r.url("/file"))
        assert r.count("refused") == 7
        assert r.house.files() == []


async def test_credentials_stay_with_their_origin(tmp_path: Path):
    seen: list[tuple[str, str | None, str | None]] = []

    async def look(request: web.Request) -> web.Response:
        headers = request.headers
        seen.append((request.path, headers.get("Authorization"), headers.get("X-Api-Key")))
        return web.Response(body=PNG)

    async with serving(web.get("/there", look)) as other:

        async def away(request: web.Request) -> web.Response:
            await look(request)
            if "near" in request.query:
                raise web.HTTPFound("/file")
            raise web.HTTPFound(f"http://127.0.0.1:{other}/there")

        async with rig(tmp_path, web.get("/away", away), web.get("/file", look)) as r:
            pairs = frozenset({("127.0.0.1", other), ("127.0.0.1", r.port)})
            r.caller = EgressCaller("media:test", EgressPolicy(allow_hosts=pairs))
            headers = {"Authorization": "Bearer secret", "X-Api-Key": "secret"}
            await r.fetch("/away", headers=headers)
            await r.fetch("/away?near", headers=headers)
    assert seen == [
        ("/away", "Bearer secret", "secret"),
        ("/there", None, None),
        ("/away", "Bearer secret", "secret"),
        ("/file", "Bearer secret", "secret"),
    ]


async def test_redirects_without_end_are_left(tmp_path: Path):
    async def round_and_round(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"/file?{int(request.query_string or 0) + 1}")

    async with rig(tmp_path, web.get("/file", round_and_round)) as r:
        with pytest.raises(Refused, match="more than 5 redirects"):
            await r.fetch("/file")


async def test_no_message_and_no_line_tells_the_path_of_a_secret_address(tmp_path: Path):
    async with rig(tmp_path, body(PNG, 404)) as r:
        for url in (r.url("/file/bot4711:canary?token=canary"), "https://[canary", "http://canary"):
            with pytest.raises((Failed, Refused)) as caught:
                await r.fetcher.fetch(url + "/canary-path", r.caller)
            assert "canary-path" not in caught.value.message
            assert "token" not in caught.value.message
        assert "canary-path" not in str(r.house.trail.lines())


async def test_a_caller_that_leaves_gives_its_place_back(tmp_path: Path):
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def stuck(request: web.Request) -> web.Response:
        if "first" in request.query:
            arrived.set()
            await gate.wait()
        return web.Response(body=PNG)

    async with rig(tmp_path, web.get("/file", stuck), max_at_once=1) as r:
        task = asyncio.create_task(r.fetch("/file?first"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await r.fetch("/file")).size_bytes == len(PNG)
        gate.set()


async def test_a_caller_with_a_proxy_of_its_own_fetches_through_it(tmp_path: Path):
    async def picture(_request: web.Request) -> web.Response:
        return web.Response(body=PNG)

    async with (
        media_house(tmp_path) as house,
        public_host(tmp_path / "net", "a.example", web.get("/cat.png", picture)) as internet,
    ):
        _, tls = internet.ports("a.example")

        async def dial(_host: str, _port: int):
            return await asyncio.open_connection("127.0.0.1", tls)

        async with http_proxy(dial) as server:
            internet.forward("proxy.example", server.port)
            fetcher = MediaFetcher(
                internet.egress,
                house.store,
                clock=SystemClock(),
                audit=house.trail.audit,
                metrics=house.metrics,
            )
            caller = EgressCaller("media:test", proxy=Proxy("http", "proxy.example", 8080))
            item = await fetcher.fetch("https://a.example/cat.png", caller)
        assert item.content_type == "image/png"
        assert server.asked == [("a.example", 443)]
