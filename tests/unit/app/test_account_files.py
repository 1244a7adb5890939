"""A file for an account goes by that account's cap and proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from carapace.app.account_files import AccountFiles
from carapace.config.settings import Settings
from carapace.config.settings.channels import (
    ChannelsSettings,
    PluginAccountSettings,
    PluginChannelSettings,
)
from carapace.config.settings.net import ProxySettings
from carapace.errors import Refused
from carapace.media.fetch import MediaFetcher
from carapace.media.store import TooLarge
from support.media import PNG, media_house
from support.proxy_server import ProxyServer, http_proxy
from support.public_web import public_host

URL = "https://media.example/cat.png"
PROXY = ProxySettings(url="http://proxy.example:8080")
ACCOUNTS = {
    "near": PluginAccountSettings(),
    "far": PluginAccountSettings(proxy=PROXY),
    "small": PluginAccountSettings(proxy=PROXY, media_max_mb=(len(PNG) - 1) / 1_000_000),
    "broken": PluginAccountSettings(proxy=ProxySettings(url="http://0x7f.1:1")),
}
SETTINGS = Settings(
    channels=ChannelsSettings(plugins={"demo": PluginChannelSettings(accounts=ACCOUNTS)})
)


async def picture(_request: web.Request) -> web.Response:
    return web.Response(body=PNG)


@asynccontextmanager
async def fetching(folder: Path) -> AsyncGenerator[tuple[AccountFiles, ProxyServer]]:
    async with (
        media_house(folder) as house,
        public_host(folder / "net", "media.example", web.get("/cat.png", picture)) as internet,
    ):
        _, tls = internet.ports("media.example")

        async def dial(_host: str, _port: int):
            return await asyncio.open_connection("127.0.0.1", tls)

        async with http_proxy(dial) as proxy:
            internet.forward("proxy.example", proxy.port)
            fetcher = MediaFetcher(
                internet.egress,
                house.store,
                clock=house.clock,
                audit=house.trail.audit,
                metrics=house.metrics,
            )
            yield AccountFiles(fetcher, lambda: SETTINGS), proxy


@pytest.mark.parametrize(
    ("channel", "account", "tunnels"),
    [
        ("demo", "far", 1),
        ("demo", "near", 0),
        ("demo", "gone", 0),
        ("webhook", "default", 0),
        ("nowhere", "default", 0),
    ],
)
async def test_it_comes_through_the_proxy_of_its_account_alone(
    tmp_path: Path, channel: str, account: str, tunnels: int
):
    async with fetching(tmp_path) as (files, proxy):
        item = await files.fetch(URL, channel, account, filename="a cat.png")
        assert (item.content_type, item.filename) == ("image/png", "a cat.png")
        assert proxy.asked == [("media.example", 443)] * tunnels


async def test_one_over_the_cap_of_its_account_is_refused(tmp_path: Path):
    async with fetching(tmp_path) as (files, _):
        assert files.max_bytes("demo", "small") == len(PNG) - 1
        assert files.max_bytes("demo", "far") == 5_000_000
        with pytest.raises(TooLarge):
            await files.fetch(URL, "demo", "small")


async def test_a_proxy_that_cannot_be_read_is_not_gone_around(tmp_path: Path):
    async with fetching(tmp_path) as (files, proxy):
        with pytest.raises(Refused, match=r"channels\.demo \(account broken\): proxy\.url"):
            await files.fetch(URL, "demo", "broken")
        assert proxy.asked == []
