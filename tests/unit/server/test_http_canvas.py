"""The canvas is for connected clients, and its pages are nobody's origin."""

from __future__ import annotations

import aiohttp
import pytest

from carapace.auth.types import Origin
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.server.http_canvas import CanvasRoutes, canvas_address
from carapace.server.signed_links import SignedLinks
from support.openai_requests import access
from support.server import TOKEN, make_caller, running_server

AUTH = {"Authorization": f"Bearer {TOKEN}"}
LINKS = SignedLinks("canvas", now_ms=lambda: 1)
LOCAL = Origin("127.0.0.1", "127.0.0.1", is_local=True, is_private=True, host="box:1")


@pytest.fixture
def connected() -> set[str]:
    return {"c1"}


@pytest.fixture
async def get(tmp_path, connected):
    for kind in ("canvas", "a2ui"):
        (tmp_path / kind / "sub").mkdir(parents=True)
        (tmp_path / kind / "index.html").write_text(kind)
        (tmp_path / kind / "sub" / "x.js").write_text("1")
    settings = CanvasHostSettings(root=str(tmp_path / "canvas"), a2ui_root=str(tmp_path / "a2ui"))

    def prepare(server, admitter) -> None:
        routes = CanvasRoutes(
            settings,
            access=access(server, admitter),
            links=LINKS,
            is_connected=connected.__contains__,
        )
        server.add(routes)

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def get(path: str, headers=None):
            async with http.get(
                running.url + path, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.text(), response.headers

        yield get


def passed(conn_id: str = "c1") -> str:
    address = canvas_address(LINKS, make_caller(conn_id), LOCAL, is_tls=False)
    return address.removeprefix("http://box:1")


@pytest.mark.parametrize("brand", ["clawdbot", "moltbot", "openclaw"])
@pytest.mark.parametrize("kind", ["canvas", "a2ui"])
async def test_a_credential_opens_the_pages_of_every_brand(get, brand, kind):
    status, text, headers = await get(f"/__{brand}__/{kind}/", AUTH)
    assert (status, text, headers["Cache-Control"]) == (200, kind, "no-store")
    assert headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in headers["Content-Security-Policy"]


async def test_strangers_see_nothing(get):
    assert (await get("/__clawdbot__/canvas/"))[0] == 401
    assert (await get("/__clawdbot__/a2ui/"))[0] == 401


async def test_the_address_of_an_open_connection_opens_them_without_a_header(get, connected):
    status, text, _ = await get(passed() + "/__clawdbot__/a2ui/?platform=ios")
    assert (status, text) == (200, "a2ui")
    assert (await get(passed() + "/__moltbot__/canvas/sub/x.js"))[0] == 200
    connected.clear()
    assert (await get(passed() + "/__clawdbot__/a2ui/"))[0] == 404


@pytest.mark.parametrize("address", ["/canvas-pass/c1/1.x", "/canvas-pass/c2/1.x"])
async def test_a_forged_address_opens_nothing(get, address):
    assert (await get(address + "/__clawdbot__/canvas/"))[0] == 404


async def test_a_pass_is_for_its_own_connection(get, connected):
    connected.add("c2")
    stolen = passed().replace("/c1/", "/c2/")
    assert (await get(stolen + "/__clawdbot__/canvas/"))[0] == 404


async def test_folders_have_a_first_page_and_a_slash(get):
    status, _, headers = await get("/__clawdbot__/canvas", AUTH)
    assert (status, headers["Location"]) == (302, "/__clawdbot__/canvas/")
    assert (await get("/__clawdbot__/canvas/sub/", AUTH))[0] == 404
    assert (await get("/__clawdbot__/canvas/..%2f..%2fx", AUTH))[0] == 404


async def test_without_folders_there_is_no_canvas(tmp_path):
    def prepare(server, admitter) -> None:
        server.add(
            CanvasRoutes(
                CanvasHostSettings(),
                access=access(server, admitter),
                links=LINKS,
                is_connected=lambda _: True,
            )
        )

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):
        response = await http.get(running.url + "/__clawdbot__/canvas/", headers=AUTH)
        assert response.status == 404


@pytest.mark.parametrize(
    ("origin", "is_tls", "scheme"),
    [
        (LOCAL, False, "http"),
        (LOCAL, True, "https"),
        (
            Origin(
                "10.0.0.1",
                "10.0.0.9",
                is_local=False,
                is_private=True,
                host="gw.example",
                via_trusted_proxy=True,
            ),
            False,
            "https",
        ),
        (
            Origin("100.64.0.1", "100.64.0.1", is_local=False, is_private=True, host="gw:1"),
            False,
            "http",
        ),
    ],
)
def test_the_address_is_the_one_the_client_came_by(origin, is_tls, scheme):
    address = canvas_address(LINKS, make_caller("c1"), origin, is_tls=is_tls)
    assert address.startswith(f"{scheme}://{origin.host}/canvas-pass/c1/")
