"""Advisories of group F that concern files: limits, types, names, links and modes."""

from __future__ import annotations

import base64
import os
import stat
import threading
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from carapace.clock import SystemClock
from carapace.config.settings.media import LinkSettings
from carapace.errors import Failed, Refused
from carapace.media.base64 import decode_base64, decode_data_url
from carapace.media.fetch import MediaFetcher
from carapace.media.files import MediaFiles
from carapace.media.images import Images
from carapace.media.links import MediaLinks
from carapace.media.pace import Pace
from carapace.media.paths import RemoteFile, StoredFile, resolve
from carapace.media.store import TooLarge
from carapace.media.types import ANY_KIND, MediaKind
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.server.http_media import MediaRoutes
from support.egress import make_egress
from support.hostile_media import TRICKS, hostile_server
from support.media import PNG, MediaHouse, media_house, png
from support.server import running_server

MEBIBYTE = 1024 * 1024
IMAGES = frozenset({MediaKind.IMAGE})


@dataclass
class Attack:
    house: MediaHouse
    fetcher: MediaFetcher
    caller: EgressCaller
    base: str

    async def fetch(self, name: str, accept: frozenset[MediaKind] = ANY_KIND):
        return await self.fetcher.fetch(self.base + name, self.caller, accept=accept)


@asynccontextmanager
async def attack(folder: Path) -> AsyncGenerator[Attack]:
    async with hostile_server() as hostile, media_house(folder, max_item_mb=2) as house:
        egress, _ = make_egress(folder / "net")
        fetcher = MediaFetcher(
            egress,
            house.store,
            clock=SystemClock(),
            audit=house.trail.audit,
            metrics=house.metrics,
            silence_timeout_s=0.5,
            pace=Pace(min_bytes_per_s=1024, grace_s=0.3),
        )
        policy = EgressPolicy(allow_hosts=frozenset({("127.0.0.1", hostile.port)}))
        caller = EgressCaller("media:test", policy)
        yield Attack(house, fetcher, caller, f"http://127.0.0.1:{hostile.port}/")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["endless", "endless-error", "endless-chunks", "gzip-bomb", "raw-deflate-bomb", "zstd-bomb"],
)
async def test_adv_f08_limits_hold_while_bytes_come_and_nothing_stays(tmp_path: Path, name: str):
    async with attack(tmp_path) as a:
        tracemalloc.start()
        try:
            with pytest.raises((Refused, Failed)):
                await a.fetch(name)
            # The hostile server runs here too and is counted along.
            assert tracemalloc.get_traced_memory()[1] < 2 * 2 * MEBIBYTE
        finally:
            tracemalloc.stop()
        assert a.house.files() == []


def test_adv_f09_base64_is_measured_before_it_is_decoded():
    text = base64.b64encode(bytes(9 * MEBIBYTE)).decode()
    url = "data:image/png;base64," + text
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="send a smaller one"):
            decode_base64(text, max_bytes=MEBIBYTE)
        with pytest.raises(Refused, match="send a smaller one"):
            decode_data_url(url, max_bytes=MEBIBYTE)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()


async def test_adv_f10_promised_pixels_are_refused_before_any_decoder(tmp_path: Path):
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(png(promised=(50_000, 50_000)))
        images = Images(house.store, audit=house.trail.audit, command=("/nonexistent",))
        with pytest.raises(Refused, match="50000 x 50000 pixels"):
            await images.render(item.id)
        assert house.trail.lines()[-1]["kind"] == "media.refused"


LOCAL_FILES = [
    "/etc/passwd",
    "etc/passwd",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file:/etc/passwd",
    "file://localhost/etc/passwd",
    "~/.ssh/id_ed25519",
    "../../etc/passwd",
    "./a.png",
    "media/../../etc/passwd",
    "a.png\x00.txt",
    "MEDIA:/etc/passwd",
    "m-../../../../etc/passwd",
    "%2e%2e%2fetc%2fpasswd",
    "data:text/plain;base64,aGk=",
    "/proc/self/environ",
    "$HOME/x",
    "`id`",
]
REMOTE_FILES = [
    "file://host/share/x",
    "file:////host/share",
    "\\\\host\\share\\x",
    "//host/share/x",
    "\\\\?\\C:\\x",
    "\\\\.\\pipe\\x",
    "C:\\Windows\\win.ini",
    "smb://host/share",
    "https:\\\\host\\x",
]


@pytest.mark.parametrize("text", LOCAL_FILES)
def test_adv_f11_files_of_this_machine_are_no_media(text: str):
    with pytest.raises(Refused, match="is no media"):
        resolve(text)


async def test_adv_f11_a_link_in_the_store_leads_nowhere(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    async with media_house(tmp_path) as house:
        item = await house.store.put_bytes(PNG)
        assert resolve(item.id) == StoredFile(item.id)
        path = house.files()[0]
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(Failed, match="cannot be read"):
            await house.store.read(item.id, max_bytes=1000)


@pytest.mark.parametrize("text", REMOTE_FILES)
def test_adv_f12_network_shares_are_refused_by_their_form(text: str):
    with pytest.raises(Refused, match="is no media"):
        resolve(text)
    assert resolve("https://files.example/x") == RemoteFile("https://files.example/x")


@pytest.mark.slow
def test_adv_f14_a_racer_that_swaps_names_gains_nothing(tmp_path: Path):
    """Ten thousand looks while another thread swaps a file, and its folder, for links."""
    outside = tmp_path / "outside"
    outside.mkdir()
    files = MediaFiles(tmp_path / "media")
    new = files.new()
    new.write(b"ours")
    new.keep()
    media_id = new.media_id
    (outside / media_id).write_text("secret")
    shard = tmp_path / "media" / media_id[2:4]
    fresh, link, aside = tmp_path / "fresh", shard / media_id, tmp_path / "aside"
    is_over = threading.Event()

    def race() -> None:
        while not is_over.is_set():
            link.unlink()
            link.symlink_to(outside / media_id)
            link.unlink()
            shard.rename(aside)
            shard.symlink_to(outside)
            shard.unlink()
            aside.rename(shard)
            fresh.write_bytes(b"ours")
            fresh.rename(link)
            for _ in range(20):  # so that what is ours can be seen, too
                link.stat()

    racer = threading.Thread(target=race)
    racer.start()
    try:
        seen = {_look(files, media_id) for _ in range(10_000)}
        for _ in range(200_000):  # on a busy machine one of the two is seldom seen
            if seen >= {b"ours", None}:
                break
            seen.add(_look(files, media_id))
    finally:
        is_over.set()
        racer.join()
        files.close()
    assert seen == {b"ours", None}  # both, so the race was run; and never the secret


def _look(files: MediaFiles, media_id: str) -> bytes | None:
    try:
        opened = files.open(media_id)
    except OSError:
        return None
    try:
        return opened.read(0, 100)
    finally:
        opened.close()


@asynccontextmanager
async def pages(folder: Path) -> AsyncGenerator[tuple[MediaHouse, MediaLinks, str]]:
    async with media_house(folder) as house:
        links = MediaLinks(
            house.database,
            settings=LinkSettings(public_url="https://assistant.example"),
            clock=house.clock,
        )
        routes = MediaRoutes(links, house.store)
        async with running_server(
            folder / "server", prepare=lambda server, _: server.add(routes)
        ) as running:
            yield house, links, running.url


async def test_adv_f15_a_page_follows_no_link_out_of_its_folder(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    async with pages(tmp_path) as (house, links, url), aiohttp.ClientSession() as session:
        item = await house.store.put_bytes(PNG)
        link = await links.create(item.id)
        path = house.files()[0]
        path.unlink()
        path.symlink_to(secret)
        for tail in (link.token, f"{link.token}/../../../secret", "..%2f..%2fsecret"):
            async with session.get(f"{url}/media/{tail}") as answer:
                assert answer.status in (404, 503)
                assert "secret" not in await answer.text()


@pytest.mark.parametrize("name", ["svg", "svg-as-png", "page-as-picture", "gif-and-page"])
@pytest.mark.slow
async def test_adv_f16_what_claims_to_be_a_picture_is_never_run(tmp_path: Path, name: str):
    async with attack(tmp_path / "a") as a:
        with pytest.raises(Refused, match="by its content"):
            await a.fetch(name, accept=IMAGES)
        item = await a.fetch(name)
        data = await a.house.store.read(item.id, max_bytes=10_000)
        assert item.content_type == TRICKS[name].content_type
    async with pages(tmp_path / "b") as (house, links, url), aiohttp.ClientSession() as session:
        item = await house.store.put_bytes(data, filename="avatar.png")
        link = await links.create(item.id)
        async with session.get(f"{url}/media/{link.token}") as answer:
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_adv_f17_uploads_obey_the_rules_of_downloads(tmp_path: Path):
    page = b"<html><script>x</script>"
    async with attack(tmp_path) as a:
        store = a.house.store
        for refuse in (
            lambda: store.put_bytes(page, accept=IMAGES),
            lambda: a.fetch("page-as-picture", accept=IMAGES),
        ):
            with pytest.raises(Refused, match="text/html by its content"):
                await refuse()
        for refuse in (
            lambda: store.put_bytes(bytes(2 * MEBIBYTE + 1)),
            lambda: a.fetch("endless"),
        ):
            with pytest.raises(TooLarge):
                await refuse()
        assert a.house.files() == []


async def test_adv_f20_files_and_folders_are_ours_alone(tmp_path: Path):
    before = os.umask(0)
    try:
        async with media_house(tmp_path) as house:
            await house.store.put_bytes(PNG)
            await (await house.reopen()).aclose()
            modes = {
                stat.S_IMODE(path.stat().st_mode): path.is_dir()
                for path in [house.root, *house.root.rglob("*")]
            }
    finally:
        os.umask(before)
    assert modes == {0o700: True, 0o600: False}


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/cron.d/x", "a\x00b", "con", "m-" + "0" * 32, "x" * 5000, "new"]
)
async def test_adv_f21_no_name_from_outside_is_a_name_on_the_disk(tmp_path: Path, name: str):
    async with media_house(tmp_path) as house:
        one = await house.store.put_bytes(PNG, filename=name)
        two = await house.store.put_bytes(PNG, filename=name)
        assert sorted(path.name for path in house.files()) == sorted([one.id, two.id])
        assert {path.parent.name for path in house.files()} == {one.id[2:4], two.id[2:4]}
        assert all(path.parent.parent == house.root for path in house.files())
