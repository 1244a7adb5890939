"""What is declared is documented and used; what is linked is there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carapace.agent.tools.builtin import builtin_tools
from carapace.app.parts import METHODS
from carapace.config.catalogue import entries
from carapace.config.settings.canvas_host import CanvasHostSettings
from carapace.protocol.endpoints import ENDPOINTS, Endpoint, Gate
from carapace.protocol.errors import ErrorCode
from carapace.protocol.events import EVENTS
from carapace.protocol.schema import PAYLOADS
from carapace.server.http_avatar import AvatarRoutes
from carapace.server.http_canvas import CanvasRoutes
from carapace.server.http_embeddings import EmbeddingRoutes
from carapace.server.http_health import HealthRoutes
from carapace.server.http_openai import ChatRoutes, ModelRoutes
from carapace.server.http_responses import ResponsesRoutes
from carapace.server.http_tools import ToolRoutes

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_PACKAGE = re.compile(r"^[a-zA-Z0-9_.-]+")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"\bCARAPACE_[A-Z_]+[A-Z]\b")


@cache
def source() -> str:
    """Everything the gateway runs, but not the structs that declare settings."""
    files = sorted((ROOT / "src" / "carapace").rglob("*.py"))
    kept = [path for path in files if "settings" not in path.parent.name]
    return "\n".join(path.read_text("utf-8") for path in kept)


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted: list[str] = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    for name in ("dev.in", "run.in"):
        wanted += (ROOT / "requirements" / name).read_text("utf-8").splitlines()
    names = [found[0] for line in wanted if (found := _PACKAGE.match(line.strip()))]
    return sorted(set(names))


@pytest.mark.parametrize("name", dependencies())
def test_every_dependency_has_its_decision(name: str):
    texts = [path.read_text("utf-8") for path in (DOCS / "adr").glob("*.md")]
    assert any(
        re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.IGNORECASE) for text in texts
    )


def test_decisions_are_numbered_once():
    numbers = [path.name[:4] for path in (DOCS / "adr").glob("*.md")]
    assert all(number.isdigit() for number in numbers)
    assert len(numbers) == len(set(numbers))


def test_every_method_and_event_is_on_its_page():
    assert all(f"\n### {name}\n" in page("reference/websocket.md") for name in METHODS)
    assert all(f"| `{name}` |" in page("reference/events.md") for name in EVENTS)


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_every_event_with_a_payload_is_sent_somewhere(name: str):
    assert re.search(rf'(?:Event|event_parts)\(\s*"{re.escape(name)}"', source())


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_documented_and_answered(code: ErrorCode):
    assert f"| `{code}` |" in page("reference/errors.md")
    assert f"ErrorCode.{code.name}" in source() or f'code = "{code}"' in source()


def settings() -> Iterator[tuple[str, str]]:
    for entry in entries():
        yield ".".join(str(part) for part in entry.key), _snake(str(entry.key[-1]))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize(("key", "attribute"), sorted(settings()))
def test_every_setting_is_read_by_code(key: str, attribute: str):
    read = re.search(rf"\.{re.escape(attribute)}_?\b|[\"']{re.escape(attribute)}[\"']", source())
    assert read or attribute == "*", f"nothing reads {key}"


def test_every_tool_is_documented():
    text = page("reference/tools.md")
    names = list(builtin_tools(with_memory=True))
    assert names
    assert all(f"`{name}`" in text for name in names)


def test_every_route_is_documented():
    router = web.UrlDispatcher()
    unused: dict[str, Any] = dict.fromkeys(("access", "clock"))
    canvas = CanvasHostSettings(root="/x", a2ui_root="/x")
    nobody: Any = None  # only the paths count
    for routes in (
        HealthRoutes(nobody, admitter=nobody, origin_of=nobody),
        ModelRoutes(nobody, **unused),
        ChatRoutes(nobody, clock=nobody),
        ResponsesRoutes(nobody, answers=nobody, clock=nobody),
        EmbeddingRoutes(nobody, access=nobody, max_body_bytes=1),
        ToolRoutes(nobody, access=nobody),
        AvatarRoutes(nobody, access=nobody, links=nobody),
        CanvasRoutes(canvas, access=nobody, links=nobody, is_connected=nobody),
    ):
        routes.add_to(router)
    text = page("reference/http.md")
    shown = {
        f"{route.method} {_documented(route.resource.canonical)}"
        for route in router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert len(shown) == 13
    assert {one for one in shown if f"`{one}`" not in text} == set()


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.verb} {row.path}")
def test_the_page_says_what_opens_each_endpoint(row: Endpoint):
    if row.gate is Gate.SIGNED:
        return  # addresses that the gateway gives out; nobody writes them
    shown = f"{row.verb} {_documented(row.path)}".replace("hooks/{name}", "hooks/<name>")
    [line] = [
        one
        for one in page("reference/http.md").splitlines()
        if f"| `{shown}`" in one or f", `{shown}`" in one
    ]
    says = {Gate.OPEN: "| none", Gate.HOOK: "| `hooks.token` |"}
    assert says.get(row.gate, f"| bearer; the scope of `{row.twin}`") in line


def _documented(path: str) -> str:
    """One page stands for the canvas of all brands, with and without a pass in its path."""
    found = re.search(r"/__\w+?__/(canvas|a2ui)", path)
    return f"/__clawdbot__/{found[1]}/" if found else path


def test_every_variable_of_our_own_is_documented():
    text = page("reference/environment.md")
    places = [ROOT / ".ci" / "run", *sorted((ROOT / "src").rglob("*.py"))]
    named = {name for path in places for name in _VARIABLE.findall(path.read_text("utf-8"))}
    assert named
    assert {name for name in named if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_front_pages_lead_somewhere(path: Path):
    for link in _LINK.findall(path.read_text("utf-8")):
        if "://" not in link and not link.startswith("#"):
            assert (ROOT / link.partition("#")[0]).exists(), f"{path.name}: {link}"
