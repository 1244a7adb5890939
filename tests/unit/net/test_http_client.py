from __future__ import annotations

import httpx2
import pytest
from aiohttp import web

from carapace.net.policy import EgressCaller
from carapace.net.refused import refusal_of
from support.public_web import public_host


async def seen(request):
    return web.Response(text=request.path_qs)


@pytest.fixture
async def internet(tmp_path):
    async with public_host(tmp_path, "a.example", web.get("/{path:.*}", seen)) as internet:
        yield internet


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example\\@b.example/",
        "http://a.example/\tx",
        "http://\uff41.example/",
        "http://b.example@a.example/",
        "http:/a.example/",
        "//a.example/",
        "a.example",
        "",
    ],
)
async def test_a_text_that_could_be_repaired_is_refused_instead(internet, url):
    async with internet.egress.http_client(EgressCaller("test")) as http:
        with pytest.raises(httpx2.ConnectError) as caught:
            await http.get(url)
    assert refusal_of(caught.value) is not None
    (line,) = internet.trail.lines()
    assert (line["caller"], line["host"]) == ("test", "an unreadable URL")
    assert internet.dialled == []


@pytest.mark.parametrize("base", ["", "https://a.example/v1/"])
async def test_what_is_joined_to_a_base_is_checked_too(internet, base):
    async with internet.egress.http_client(EgressCaller("test")) as http:
        http.base_url = base
        if base:
            assert (await http.get("models?x=1")).text == "/v1/models?x=1"
            assert (await http.get("/models")).text == "/v1/models"
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://a.example\\@b.example/")
        http.base_url = "https://127.0.0.1/"
        with pytest.raises(httpx2.ConnectError, match="loopback"):
            await http.get("models")


async def test_a_url_that_the_library_has_read_already_is_left_to_the_transport(internet):
    async with internet.egress.http_client(EgressCaller("test")) as http:
        assert (await http.get(httpx2.URL("https://a.example/x"))).text == "/x"
        with pytest.raises(httpx2.ConnectError):
            await http.get(httpx2.URL("https://localhost/x"))
