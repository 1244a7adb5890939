from __future__ import annotations

import errno
import hashlib

import httpx2
import pytest
from aiohttp import web

from carapace.agent.weights.download import disk_full, fetch_into, sha256_of
from carapace.errors import Failed
from support.egress import serving

BODY = b"0123456789"


async def fetch(port, path, *, most=100, name="f", **more):
    seen: list = []
    async with httpx2.AsyncClient(trust_env=False) as client:
        await fetch_into(
            client,
            f"http://127.0.0.1:{port}/{name}",
            path,
            max_bytes=most,
            on_start=lambda kept, total: seen.append((kept, total)),
            on_bytes=seen.append,
            **more,
        )
    return seen


async def ranged(request):
    return web.Response(status=206, body=BODY[3:], headers={"content-range": "bytes 3-9/10"})


async def odd_range(request):
    return web.Response(status=206, body=BODY, headers={"content-range": "bytes 0-9/10"})


async def unknown_total(request):
    return web.Response(status=206, body=BODY[3:], headers={"content-range": "bytes 3-9/*"})


async def whole(request):
    tag = request.query.get("tag", '"v1"')
    if request.headers.get("if-range") == '"v1"' and tag == '"v1"':
        return await ranged(request)
    return web.Response(body=BODY, headers={"etag": tag})


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(20):
        await response.write(BODY)
    return response


async def missing(request):
    return web.Response(status=404)


@pytest.fixture
async def port():
    async with serving(
        web.get("/ranged", ranged),
        web.get("/odd", odd_range),
        web.get("/unknown", unknown_total),
        web.get("/f", whole),
        web.get("/endless", endless),
        web.get("/missing", missing),
    ) as number:
        yield number


async def test_a_fresh_file_is_fetched_whole(port, tmp_path):
    assert await fetch(port, tmp_path / "f") == [(0, 10), 10]
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize(("name", "total"), [("ranged", 10), ("unknown", None)])
async def test_the_rest_is_added(port, tmp_path, name, total):
    (tmp_path / "f").write_bytes(b"012")
    assert await fetch(port, tmp_path / "f", name=name) == [(3, total), 7]
    assert (tmp_path / "f").read_bytes() == BODY


async def test_another_range_is_an_error(port, tmp_path):
    (tmp_path / "f").write_bytes(b"012")
    with pytest.raises(Failed, match="another range"):
        await fetch(port, tmp_path / "f", name="odd")


async def test_a_file_of_unknown_hash_goes_on_only_with_its_validator(port, tmp_path):
    path, etag = tmp_path / "f", tmp_path / "etag"
    path.write_bytes(b"012")
    assert (await fetch(port, path, validator=etag))[0] == (0, 10)
    assert etag.read_text() == '"v1"'
    path.write_bytes(b"012")
    assert (await fetch(port, path, validator=etag))[0] == (3, 10)
    path.write_bytes(b"012")
    assert (await fetch(port, path, name="f?tag=W/v2", validator=etag))[0] == (0, 10)
    assert etag.read_text() == ""


async def test_refusals_and_floods_are_errors(port, tmp_path):
    with pytest.raises(Failed, match="404"):
        await fetch(port, tmp_path / "f", name="missing")
    with pytest.raises(Failed, match="10 bytes, more than the 5"):
        await fetch(port, tmp_path / "f", most=5)
    with pytest.raises(Failed, match="more than the 50 bytes"):
        await fetch(port, tmp_path / "f", most=50, name="endless")


async def test_a_full_disk_is_told_as_such(port, tmp_path):
    (tmp_path / "f").symlink_to("/dev/full")
    with pytest.raises(Failed, match="disk is full"):
        await fetch(port, tmp_path / "f")


def test_other_disk_errors_keep_their_words(tmp_path):
    assert "Read-only" in str(disk_full(OSError(errno.EROFS, "Read-only file system"), tmp_path))


def test_digest(tmp_path):
    (tmp_path / "f").write_bytes(BODY)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(BODY).hexdigest()
