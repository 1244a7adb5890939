"""A stock build is served as it is, under our policy, and nothing beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from carapace.config.settings.control_ui import ControlUiSettings
from carapace.server.http_control_ui import ControlUi
from support.server import running_server

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = {"Accept": "*/*"}


class Page:
    """A served page, and a client to look at it with."""

    def __init__(self, folder: Path) -> None:
        self.settings = ControlUiSettings(root=str(folder))
        self.url = ""
        self.http: Any = None

    async def get(self, path: str, headers: Any = None, method: str = "GET"):
        url = URL(self.url + path, encoded=True)
        given = headers if headers is not None else {}
        skip = () if "Accept" in given else ("Accept",)
        async with self.http.request(
            method, url, headers=given, skip_auto_headers=skip, allow_redirects=False
        ) as response:
            return response.status, await response.read(), response.headers


@pytest.fixture
async def page(tmp_path):
    root = tmp_path / "ui"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<html><head></head><body>UI</body></html>")
    (root / "assets" / "index-Cl-Y9zqE.js").write_text("1")
    (root / "favicon.ico").write_bytes(b"\0")
    (tmp_path / "outside.txt").write_text("secret")
    made = Page(root)

    def prepare(server, _admitter) -> None:
        server.fall_back(ControlUi(lambda: made.settings, assistant=lambda: ("Ada", "A")))

    async with running_server(tmp_path, prepare=prepare) as running:
        made.url = running.url
        # Without Accept only if a test sends none.
        async with aiohttp.ClientSession(headers={"User-Agent": "t"}) as http:
            made.http = http
            yield made


async def test_the_first_page_has_its_settings_and_a_strict_policy(page):
    status, body, headers = await page.get("/", BROWSER)
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    nonce = re.search(rb'nonce="([^"]+)"', body)
    assert nonce is not None
    assert f"'nonce-{nonce[1].decode()}'" in headers["Content-Security-Policy"]
    assert b'ASSISTANT_NAME__="Ada"' in body
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    again = (await page.get("/index.html", BROWSER))[1]
    assert nonce[1] not in again


async def test_files_have_their_type_and_live_as_long_as_their_name(page):
    status, body, headers = await page.get("/assets/index-Cl-Y9zqE.js", SCRIPT)
    assert (status, body) == (200, b"1")
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in headers["Cache-Control"]
    status, _, headers = await page.get("/favicon.ico", SCRIPT)
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    known = {**SCRIPT, "If-None-Match": headers["ETag"]}
    assert (await page.get("/favicon.ico", known))[0] == 304


@pytest.mark.parametrize("path", ["/chat", "/sessions/", "/a/b"])
async def test_a_path_of_the_page_s_own_gives_the_page(page, path):
    assert b"UI" in (await page.get(path, BROWSER))[1]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/assets/nope.js", BROWSER),
        ("/assets/nope.js", SCRIPT),
        ("/chat", SCRIPT),
        ("/robots.txt", BROWSER),
        ("/..%2foutside.txt", BROWSER),
        ("/%2e%2e/outside.txt", BROWSER),
        ("/ui", BROWSER),
        ("/v1/x", BROWSER),
        ("/__openclaw__/canvas/", BROWSER),
    ],
)
async def test_what_is_not_there_is_404(page, path, headers):
    status, body, _ = await page.get(path, headers)
    assert status == 404
    assert b"secret" not in body


async def test_who_says_nothing_of_what_it_takes_gets_the_page_as_recorded(page):
    assert (await page.get("/robots.txt", {}))[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_written(page, method):
    status, body, headers = await page.get("/v1/embeddings", BROWSER, method)
    assert (status, body) == (405, b"Method Not Allowed")
    assert headers["Allow"] == "GET, HEAD"


async def test_a_base_path_moves_it(page):
    root = page.settings.root
    page.settings = ControlUiSettings(root=root, base_path="ui")
    status, _, headers = await page.get("/ui", BROWSER)
    assert (status, headers["Location"]) == (302, "/ui/")
    assert b'BASE_PATH__="/ui"' in (await page.get("/ui/", BROWSER))[1]
    assert (await page.get("/ui/assets/index-Cl-Y9zqE.js", SCRIPT))[0] == 200
    assert (await page.get("/", BROWSER))[0] == 404


@pytest.mark.parametrize(
    "settings", [ControlUiSettings(), ControlUiSettings(root="/x", enabled=False)]
)
async def test_without_a_folder_or_switched_off_there_is_nothing(page, settings):
    page.settings = settings
    assert (await page.get("/", BROWSER))[0] == 404


async def test_a_folder_without_a_page_serves_none(page, tmp_path):
    page.settings = ControlUiSettings(root=str(tmp_path / "empty"))
    assert (await page.get("/", BROWSER))[0] == 404
