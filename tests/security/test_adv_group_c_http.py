"""Advisories of group C (and F15) that concern HTTP: one table of scopes, no way round it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from carapace.auth.types import Caller, Origin
from carapace.clock import SystemClock
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.config.settings.control_ui import ControlUiSettings
from carapace.server.http_avatar import AvatarRoutes
from carapace.server.http_canvas import CanvasRoutes
from carapace.server.http_control_ui import ControlUi
from carapace.server.http_openai import ChatRoutes, ModelRoutes
from carapace.server.http_responses import ResponsesRoutes
from carapace.server.openai_door import OpenAiDoor
from carapace.server.signed_links import SignedLinks
from carapace.sessions.keys import canonical
from support.chat_runs import Agents, ScriptedRuns
from support.openai_requests import KnownAnswers, ScriptedFiles, access
from support.server import TOKEN, make_caller, running_server

AUTH = {"Authorization": f"Bearer {TOKEN}"}
LINKS = SignedLinks("test", now_ms=lambda: 1)
TRAVERSALS = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "..%5csecret.txt",
    "sub/../../secret.txt",
    "sub%2f..%2f..%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "....//secret.txt",
    "/etc/passwd",
    "%00secret.txt",
    "link.txt",
    "folder/secret.txt",
    ".hidden",
]


class Narrow:
    """Admits a bearer that may only decide about approvals."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def bearer(self, secret: str | None, origin: Origin) -> Caller:
        if secret == "approver":
            return make_caller("http", scopes=("operator.approvals",))
        return await self._inner.bearer(secret, origin)


class Avatars:
    def __init__(self, root: Path) -> None:
        self._root = root

    def avatar(self, agent_id: str) -> tuple[str, Path] | None:
        return ("link.png", self._root) if agent_id == "main" else None


@asynccontextmanager
async def house(folder: Path, runs: ScriptedRuns) -> AsyncGenerator[Any]:
    """Every endpoint on one server; folders with a way out that must not be taken."""
    (folder / "secret.txt").write_text("secret")
    (folder / "secret.png").write_text("secret")
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    (root / "index.html").write_text("<head></head>page")
    (root / ".hidden").write_text("secret")
    (root / "link.txt").symlink_to(folder / "secret.txt")
    (root / "link.png").symlink_to(folder / "secret.png")
    (root / "folder").symlink_to(folder)

    def prepare(server: Any, admitter: Any) -> None:
        judge = access(server, Narrow(admitter))
        common: dict[str, Any] = {"access": judge, "clock": SystemClock()}
        door = OpenAiDoor(
            runs,
            models=Agents(),
            to_key=canonical,
            access=judge,
            files=ScriptedFiles,
            max_body_bytes=10_000,
        )
        canvas = CanvasHostSettings(root=str(root), a2ui_root=str(root))
        server.add(ModelRoutes(Agents(), **common))
        server.add(ChatRoutes(door, clock=SystemClock()))
        server.add(ResponsesRoutes(door, answers=KnownAnswers(), clock=SystemClock()))
        server.add(AvatarRoutes(Avatars(root), access=judge, links=LINKS))
        server.add(CanvasRoutes(canvas, access=judge, links=LINKS, is_connected=lambda _: True))
        settings = ControlUiSettings(root=str(root))
        server.fall_back(ControlUi(lambda: settings, assistant=lambda: ("Ada", "A")))

    async with (
        running_server(folder / "server", prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def send(path: str, method: str = "GET", **more: Any) -> tuple[int, str, Any]:
            url = URL(running.url + path, encoded=True)
            async with http.request(method, url, **more) as response:
                return response.status, await response.text(), response.headers

        yield send


@pytest.fixture
def runs() -> ScriptedRuns:
    return ScriptedRuns()


@pytest.fixture
async def send(tmp_path, runs):
    async with house(tmp_path, runs) as send:
        yield send


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/carapace"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/responses"),
    ],
)
async def test_adv_c03_a_caller_without_the_scope_is_403_on_every_route(send, runs, method, path):
    headers = {"Authorization": "Bearer approver"}
    status, text, _ = await send(path, method, headers=headers, json={})
    assert (status, runs.submissions) == (403, [])
    assert "missing scope" in text


@pytest.mark.parametrize("model", ["openai/gpt-5", "anthropic/claude", "fake/other"])
async def test_adv_c04_a_request_cannot_choose_the_vendors_model(send, runs, model):
    for path, more in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"input": "x"}),
    ):
        status, _, _ = await send(path, "POST", headers=AUTH, json={"model": model, **more})
        assert status == 200
    assert [one.agent_id for one in runs.submissions] == ["main", "main"]
    assert {one.session_key.split(":")[2] for one in runs.submissions} == {
        "openai",
        "openresponses",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Authorization": "Bearer wrong"},
    ],
)
@pytest.mark.parametrize("path", ["/__clawdbot__/canvas/", "/__openclaw__/a2ui/"])
async def test_adv_c17_loopback_and_forwarded_headers_open_no_canvas(send, path, headers):
    status, text, _ = await send(path, headers=headers)
    assert (status, "page" in text) == (401, False)


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_adv_c18_a_path_never_leads_out_of_the_canvas(send, path):
    status, text, _ = await send(f"/__clawdbot__/canvas/{path}", headers=AUTH)
    assert status == 404
    assert "secret" not in text


async def test_adv_c19_canvas_pages_have_no_origin(send):
    _, _, headers = await send("/__clawdbot__/canvas/", headers=AUTH)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy


async def test_adv_c21_the_page_tells_strangers_neither_version_nor_ids_nor_paths(send, tmp_path):
    _, text, headers = await send("/", headers={"Accept": "text/html"})
    said = text + str(headers)
    for secret in (str(tmp_path), "9.9", "agent:main", TOKEN):
        assert secret not in said


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_adv_f15_neither_links_nor_dots_lead_out_of_the_control_ui(send, path):
    status, text, _ = await send(f"/{path}", headers={"Accept": "*/*"})
    assert status == 404
    assert "secret" not in text


async def test_adv_f15_an_avatar_is_no_link(send):
    status, text, _ = await send("/avatar/main", headers=AUTH)
    assert (status, text) == (404, "Not Found")
