"""Files by reference: stored, described, linked, and fetched under the plugin's rules."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from aiohttp import web

from carapace.plugins.capabilities.media import MediaCapability
from support.capabilities import NO_PROXIES, code_of, outbound_rig
from support.media import PNG


async def give(asked: web.Request) -> web.Response:
    return web.Response(body=PNG if asked.path == "/png" else b"x" * 500)


async def test_a_file_is_put_described_and_linked(tmp_path: Path):
    async with outbound_rig(tmp_path, with_media=True) as rig:
        call = MediaCapability(rig.rules, NO_PROXIES, rig.door).call
        item = await call("put", [base64.b64encode(PNG).decode(), "text/html"])
        assert item == await call("info", [item["handle"]])
        assert item["content_type"] == "image/png"
        assert (item["width"], item["height"], item["duration_ms"]) == (3, 2, None)
        assert item["size_bytes"] == len(PNG)
        assert isinstance(item["size_bytes"], float)
        link = await call("link", [item["handle"], 60_000])
        assert link.startswith("https://assistant.example/media/")


async def test_a_file_is_fetched_under_the_rules(tmp_path: Path):
    async with outbound_rig(tmp_path, web.get("/{x}", give), with_media=True) as rig:
        call = MediaCapability(rig.rules, NO_PROXIES, rig.door).call
        item = await call("fetch", [rig.url + "/png", 1000])
        assert await rig.house.store.read(item["handle"], max_bytes=999) == PNG
        assert await code_of(call("fetch", [rig.url + "/big", 499.0])) == "refused"
        assert await code_of(call("fetch", ["https://evil.example/", 9])) == "not-granted"


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("info", ["m-" + "0" * 32], "not-found"),
        ("info", ["../../etc/passwd"], "not-found"),
        ("link", ["m-" + "0" * 32, 60_000], "not-found"),
        ("link", ["m-1", 10], "invalid-argument"),
        ("put", ["!", "x"], "invalid-argument"),
        ("put", ["", "x"], "invalid-argument"),
    ],
)
async def test_everything_else_is_refused(tmp_path: Path, function, arguments, code):
    async with outbound_rig(tmp_path, with_media=True) as rig:
        call = MediaCapability(rig.rules, NO_PROXIES, rig.door).call
        assert await code_of(call(function, arguments)) == code
