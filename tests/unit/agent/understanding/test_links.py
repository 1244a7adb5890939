"""Links in messages, and what is fetched of them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.links import MAX_PAGE_BYTES, LinkReader, find_links
from carapace.agent.understanding.ports import NotUnderstood
from carapace.config.settings.understanding import LinkReading
from support.egress import AuditTrail, make_egress, serving

SETTINGS = LinkReading(timeout_seconds=5)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("", ()),
        ("no link, http: or www.example.com", ()),
        ("see https://example.com.", ("https://example.com",)),
        ("(https://example.com/a)", ("https://example.com/a",)),
        ("https://en.example.org/wiki/A_(b)", ("https://en.example.org/wiki/A_(b)",)),
        ("[x](https://example.com/y)", ("https://example.com/y",)),
        ("<https://example.com/?a=b&c=d>", ("https://example.com/?a=b&c=d",)),
        ("HTTPS://Example.com/X!!", ("HTTPS://Example.com/X",)),
        ("https://a.example https://a.example https://b.example", ("https://a.example", "https://b.example")),
        ("http://example.com:8080/x", ("http://example.com:8080/x",)),
        ("https://user:secret@example.com/", ()),
        ("https://", ()),
        ("https://exa mple.com", ("https://exa",)),
        ("ftp://example.com file:///etc/passwd javascript:alert(1)", ()),
        ("https://example.com/" + "x" * 3_000, ()),
        ("https://....", ()),
        ("https://example.com/" + "x" * 2_050, ()),
    ],
)  # fmt: skip
def test_links_are_found(text: str, links: tuple[str, ...]):
    assert find_links(text, 5) == links


def test_no_more_than_asked_for():
    text = " ".join(f"https://{name}.example/" for name in "abcdef")
    assert len(find_links(text, 3)) == 3


@asynccontextmanager
async def reading(
    tmp_path: Path, handler, *, is_open: bool = True
) -> AsyncGenerator[tuple[LinkReader, str, AuditTrail]]:
    egress, trail = make_egress(tmp_path)
    async with serving(web.get("/{path:.*}", handler)) as port:
        hosts = frozenset({("127.0.0.1", port)}) if is_open else frozenset[tuple[str, int]]()
        yield LinkReader(egress, ChildReader(), hosts=hosts), f"http://127.0.0.1:{port}/", trail


async def refused(reader: LinkReader, url: str) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as caught:
        await reader.read(url, SETTINGS)
    return caught.value


@pytest.mark.slow
async def test_a_page_is_read_without_its_scripts_and_without_our_credentials(tmp_path: Path):
    seen: list[dict[str, str]] = []

    async def page(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        body = "<title>T</title><script>bad</script><p>gr\u00fc\u00df"
        response = web.Response(
            body=body.encode("latin-1"), content_type="text/html", charset="latin-1"
        )
        response.set_cookie("id", "1")
        return response

    async with reading(tmp_path, page) as (reader, url, _):
        told = await reader.read(url, SETTINGS)
        await reader.read(url, SETTINGS)
    assert (told.title, told.text) == ("T", "gr\u00fc\u00df")
    for headers in seen:
        assert not {name.lower() for name in headers} & {"cookie", "authorization", "referer"}


async def test_plain_text_needs_no_parser(tmp_path: Path):
    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="x" * 9_000)

    async with reading(tmp_path, plain) as (reader, url, _):
        told = await reader.read(url, SETTINGS)
    assert (len(told.text), told.is_cut) == (SETTINGS.max_chars, True)


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "application/x-sh"])
async def test_what_is_no_page_is_not_read(tmp_path: Path, content_type: str):
    async def other(request: web.Request) -> web.Response:
        return web.Response(body=b"x", content_type=content_type)

    async with reading(tmp_path, other) as (reader, url, _):
        assert "is no page" in (await refused(reader, url)).message


async def test_a_page_that_is_missing_is_told(tmp_path: Path):
    async def missing(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    async with reading(tmp_path, missing) as (reader, url, _):
        assert (await refused(reader, url)).message == "answered with status 404"


async def test_our_own_network_stays_closed_and_is_not_described(tmp_path: Path):
    async def page(request: web.Request) -> web.Response:
        raise AssertionError("it was reached")

    async with reading(tmp_path, page, is_open=False) as (reader, url, trail):
        error = await refused(reader, url)
        assert error.message == "is not open to this gateway"
        assert trail.lines()[-1]["caller"] == "links"
        for other in ("http://localhost/", "http://[::1]/", "http://169.254.169.254/"):
            assert (await refused(reader, other)).outcome == "refused"


async def test_a_redirect_into_our_own_network_is_refused(tmp_path: Path):
    async def move(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.2:1/")

    async with reading(tmp_path, move) as (reader, url, _):
        assert (await refused(reader, url)).message == "is not open to this gateway"


async def test_a_page_too_large_after_unpacking_is_not_read(tmp_path: Path):
    async def bomb(request: web.Request) -> web.Response:
        body = gzip.compress(b"x" * (MAX_PAGE_BYTES + 1))
        headers = {"content-encoding": "gzip", "content-type": "text/html"}
        return web.Response(body=body, headers=headers)

    async with reading(tmp_path, bomb) as (reader, url, _):
        assert (await refused(reader, url)).message == "could not be fetched"


@pytest.mark.slow
async def test_a_page_that_does_not_come_is_given_up(tmp_path: Path):
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response()

    async with reading(tmp_path, slow) as (reader, url, _):
        with pytest.raises(NotUnderstood, match="in time") as caught:
            await reader.read(url, LinkReading(timeout_seconds=1))
        gate.set()
    assert caught.value.outcome == "timeout"


async def test_a_server_that_is_not_there_is_told(tmp_path: Path):
    async def page(request: web.Request) -> web.Response:
        return web.Response()

    async with reading(tmp_path, page) as (reader, url, _):
        pass
    assert (await refused(reader, url)).message == "could not be fetched"


async def test_what_is_no_address_is_told(tmp_path: Path):
    async def page(request: web.Request) -> web.Response:
        return web.Response()

    async with reading(tmp_path, page) as (reader, _, _):
        assert (await refused(reader, "http://a\x00b/")).outcome == "refused"
