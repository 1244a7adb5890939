"""A package comes from where somebody said, and from nowhere else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from aiohttp import web

from carapace.plugins.package.archive import pack
from carapace.plugins.package.sources import (
    LocalPath,
    RegistryName,
    Sources,
    WebAddress,
    parse_source,
)
from carapace.plugins.state import PluginRefused, Refusal
from support.packages import contents, write_files
from support.public_web import public_host

PACKAGE = pack(contents())
URL = "https://plugins.example/hello.carapace-plugin"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/a/b.carapace-plugin", LocalPath(Path("/a/b.carapace-plugin"))),
        (URL, WebAddress(URL)),
        ("zalo", RegistryName("zalo")),
        ("zalo@1.0.0", RegistryName("zalo", "1.0.0")),
    ],
)
def test_a_source_is_told_by_its_form(text, wanted):
    assert parse_source(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("", "./x", "../x", "~/x", "http://a.example/x", "file:///x", "Zalo", "zalo@"),
        *("zalo@1", "z", "/a\0b", "zalo/../x", "npm:zalo"),
    ],
)
def test_nothing_else_is_a_source(text):
    with pytest.raises(PluginRefused) as caught:
        parse_source(text)
    assert caught.value.refusal is Refusal.SOURCE


async def test_a_package_of_the_web_is_fetched(tmp_path: Path):
    async def give(_request: web.Request) -> web.Response:
        return web.Response(body=PACKAGE)

    async def moved(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/hello.carapace-plugin")

    routes = (web.get("/hello.carapace-plugin", give), web.get("/moved", moved))
    async with public_host(tmp_path, "plugins.example", *routes) as internet:
        sources = Sources(internet.egress, lambda: None)
        assert await sources.fetch(WebAddress(URL)) == contents()
        assert await sources.fetch(WebAddress("https://plugins.example/moved")) == contents()
        with pytest.raises(PluginRefused, match="answered 404"):
            await sources.fetch(WebAddress("https://plugins.example/no?token=secret"))


async def test_nothing_is_fetched_from_ones_own_network(tmp_path: Path):
    async with public_host(tmp_path, "plugins.example") as internet:
        internet.point("inside.example", "10.0.0.1")
        sources = Sources(internet.egress, lambda: None)
        with pytest.raises(PluginRefused, match=r"Nothing was fetched from inside\.example"):
            await sources.fetch(WebAddress("https://inside.example/x?token=secret"))
        with pytest.raises(PluginRefused, match=r"nobody\.example could not be reached"):
            await sources.fetch(WebAddress("https://nobody.example/x?token=secret"))
        with pytest.raises(PluginRefused, match="Nothing was fetched from the server"):
            await sources.fetch(WebAddress("https://[x/"))


async def test_a_name_is_looked_up_in_the_registry(tmp_path: Path):
    offered = {
        "1.0.0": {"url": "hello.carapace-plugin", "sha256": hashlib.sha256(PACKAGE).hexdigest()},
        "0.9.0": {"url": "hello.carapace-plugin", "sha256": "ab" * 32},
    }

    async def listing(_request: web.Request) -> web.Response:
        index = {"format": 1, "plugins": {"hello": {"versions": offered}}}
        return web.Response(text=json.dumps(index))

    async def give(_request: web.Request) -> web.Response:
        return web.Response(body=PACKAGE)

    routes = (web.get("/index.json", listing), web.get("/hello.carapace-plugin", give))
    async with public_host(tmp_path, "plugins.example", *routes) as internet:
        sources = Sources(internet.egress, lambda: "https://plugins.example/index.json")
        assert await sources.fetch(RegistryName("hello")) == contents()
        with pytest.raises(PluginRefused, match="its hash differs"):
            await sources.fetch(RegistryName("hello", "0.9.0"))
        nowhere = Sources(internet.egress, lambda: None)
        with pytest.raises(PluginRefused, match=r"plugins\.registry"):
            await nowhere.fetch(RegistryName("hello"))


async def test_a_local_path_is_read_in_a_thread(tmp_path: Path):
    async with public_host(tmp_path, "plugins.example") as internet:
        sources = Sources(internet.egress, lambda: None)
        assert await sources.fetch(LocalPath(write_files(tmp_path / "p", contents()))) == contents()
        assert internet.dialled == []
