"""Files go to whoever has the link, whole or in part, and never as a page."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.config.settings.media import LinkSettings
from carapace.media.links import MediaLinks
from carapace.server.http_media import MediaRoutes
from support.media import PNG, MediaHouse, media_house
from support.polling import until
from support.server import Running, running_server

DATA = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Site:
    house: MediaHouse
    links: MediaLinks
    running: Running
    session: aiohttp.ClientSession
    routes: MediaRoutes

    async def link(self, data: bytes, filename: str | None = None) -> str:
        item = await self.house.store.put_bytes(data, filename=filename)
        link = await self.links.create(item.id)
        return self.running.url + "/media/" + link.token


@asynccontextmanager
async def site(folder: Path, **limits: Any) -> AsyncGenerator[Site]:
    async with media_house(folder) as house:
        links = MediaLinks(
            house.database,
            settings=LinkSettings(public_url="https://assistant.example"),
            clock=house.clock,
        )
        routes = MediaRoutes(links, house.store, **limits)
        async with (
            running_server(folder / "server", prepare=lambda server, _: server.add(routes)) as run,
            aiohttp.ClientSession() as session,
        ):
            yield Site(house, links, run, session, routes)


async def test_several_requests_get_the_file_and_its_true_type(tmp_path: Path):
    async with site(tmp_path) as here:
        url = await here.link(PNG, "holiday.html")
        for _ in range(3):
            async with here.session.get(url) as answer:
                assert answer.status == 200
                assert await answer.read() == PNG
                assert answer.headers["Content-Type"] == "image/png"
                assert answer.headers["Content-Disposition"] == 'inline; filename="holiday.html"'
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "sandbox" in answer.headers["Content-Security-Policy"]
                assert answer.headers["Cache-Control"] == "no-store"
        async with here.session.head(url) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(len(PNG))
            assert await answer.read() == b""


async def test_parts_are_given_and_parts_that_are_not_there_refused(tmp_path: Path):
    async with site(tmp_path) as here:
        url = await here.link(DATA)
        async with here.session.get(url, headers={"Range": "bytes=250000-550000"}) as answer:
            assert answer.status == 206
            assert answer.headers["Content-Range"] == f"bytes 250000-550000/{len(DATA)}"
            assert await answer.read() == DATA[250_000:550_001]
        async with here.session.get(url, headers={"Range": f"bytes={len(DATA)}-"}) as answer:
            assert answer.status == 416
            assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_a_part_of_another_version_is_not_mixed_in(tmp_path: Path):
    async with site(tmp_path) as here:
        url = await here.link(DATA)
        async with here.session.head(url) as answer:
            etag = answer.headers["ETag"]
        for known, status in ((etag, 206), ('"other"', 200)):
            headers = {"Range": "bytes=0-9", "If-Range": known}
            async with here.session.get(url, headers=headers) as answer:
                assert answer.status == status
        async with here.session.get(url, headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "application/octet-stream"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "application/octet-stream"),
        (b"<?xml version='1.0'?><x/>", "application/octet-stream"),
        (b"#!/bin/sh\nrm -r x", "application/octet-stream"),
        (b"%PDF-1.7 ...", "application/pdf"),
        (b"hello", "text/plain"),
    ],
)
async def test_what_could_run_is_saved_not_shown(tmp_path: Path, data: bytes, content_type: str):
    async with site(tmp_path) as here, here.session.get(await here.link(data, "a.png")) as answer:
        assert answer.headers["Content-Type"] == content_type
        assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_links_that_are_over_or_never_were_look_the_same(tmp_path: Path):
    async with site(tmp_path) as here:
        url = await here.link(PNG)
        await here.house.clock.advance(3600)
        said: list[tuple[int, str]] = []
        for one in (url, here.running.url + "/media/" + "a" * 32, here.running.url + "/media/x"):
            async with here.session.get(one) as answer:
                said.append((answer.status, await answer.text()))
        assert said == [said[0]] * 3
        assert said[0][0] == 404
        async with here.session.post(url) as answer:
            assert answer.status == 405


async def test_only_so_many_downloads_run_at_once(tmp_path: Path):
    async with site(tmp_path, max_at_once=1) as here:
        url = await here.link(DATA * 16)
        async with here.session.get(url) as first:
            assert first.status == 200
            async with here.session.get(url) as second:
                assert second.status == 503
                assert second.headers["Retry-After"] == "5"
            await first.read()
        async with here.session.get(url) as third:
            assert third.status == 200


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path):
    async with site(tmp_path, max_at_once=1, write_timeout_s=0.2) as here:
        url = await here.link(DATA * 16)
        path = url.removeprefix(here.running.url)
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(lazy, ("127.0.0.1", here.running.port))
            await loop.sock_sendall(
                lazy, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
            )
            await until(lambda: not here.routes._free)
            await until(lambda: here.routes._free)
        async with here.session.get(url) as answer:
            assert answer.status == 200
