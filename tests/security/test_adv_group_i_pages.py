"""Advisories of group I about what a browser, a viewer or a link may make of what we answer."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from carapace_tools.golden.connection import Connection
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.ws import connect_params, entered, peer, talk

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BEARER = {"Authorization": f"Bearer {TOKEN}"}
SCRIPT = "<script>alert(1)</script><svg onload=alert(1)>"
READ_WRITE = ("operator.read", "operator.write")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Started]:
    """With a page as the Control UI, whose text is known."""
    folder = tmp_path_factory.mktemp("pages")
    page = folder / "page"
    page.mkdir()
    (page / "index.html").write_text("<html><head></head><body>the page</body></html>")
    async with model_server(folder) as model:
        config = settings(model.port, controlUi={"root": str(page)})
        config["gateway"]["http"]["endpoints"]["responses"] = {"enabled": True}
        config["hooks"] = {"enabled": True, "token": "hook-token-0123456789-0123456789"}
        async with running_gateway(folder / "home", config) as started:
            yield started


async def get(
    gateway: Started, path: str, method: str = "GET", **more: Any
) -> tuple[int, str, dict[str, str]]:
    url = URL(gateway.http + path, encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, **more) as response,
    ):
        text = (await response.read()).decode(errors="replace")
        return (
            response.status,
            text,
            {name.lower(): value for name, value in response.headers.items()},
        )


# I02: nothing is exported as a page


@pytest.mark.parametrize(
    "method", ["sessions.export", "session.export", "chat.export", "chat.exportHtml"]
)
async def test_adv_i02_no_method_makes_a_page_of_a_session(gateway: Started, method: str):
    """There is no exported HTML whose links could run: what was said leaves us as JSON."""
    async with peer(gateway.url, device="owner") as owner:
        answer = await owner.call("e", method, {"sessionKey": "main", "format": "html"})
        assert "unknown method" in answer["error"]["message"]


@pytest.mark.parametrize(
    "said", ["[x](javascript:alert(1))", SCRIPT, "![x](data:text/html;base64,PHN2Zz4=)"]
)
async def test_adv_i02_what_was_said_is_a_text_in_json(gateway: Started, said: str):
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        await talk(person, "main", said, f"i02-{said}")
        answer = await person.call("h", "chat.history", {"sessionKey": "main"})
        assert said in str(answer["payload"]["messages"])
    body = {"model": "carapace", "messages": [{"role": "user", "content": said}]}
    status, text, headers = await get(
        gateway, "/v1/chat/completions", "POST", json=body, headers=BEARER
    )
    assert status == 200
    json.loads(text)
    assert headers["content-type"].startswith("application/json")
    assert headers["x-content-type-options"] == "nosniff"


# I03: what strangers write is a text wherever it is shown


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/v1/models/{}", {"headers": BEARER}),
        ("GET", "/v1/{}", {}),
        ("GET", "/avatar/{}", {}),
        ("GET", "/avatar/{}?meta=1", {"headers": BEARER}),
        ("GET", "/media/{}", {}),
        ("POST", "/hooks/{}", {"headers": {"Authorization": "Bearer x"}}),
        ("GET", "/plugins/{}/x", {}),
        ("POST", "/tools/invoke", {"headers": BEARER, "json": {"tool": SCRIPT}}),
        ("POST", "/v1/chat/completions", {"headers": BEARER, "json": {"messages": SCRIPT}}),
        ("POST", "/v1/responses", {"headers": BEARER, "data": SCRIPT}),
        ("GET", "/v1/models", {"headers": {"Authorization": f"Bearer {SCRIPT}"}}),
        ("GET", "/health", {"headers": {"Origin": f"https://{SCRIPT}"}}),
        ("GET", "/{}.js", {}),
    ],
)
async def test_adv_i03_no_answer_that_repeats_a_stranger_is_a_page(
    gateway: Started, method: str, path: str, more: dict[str, Any]
):
    status, text, headers = await get(gateway, path.format(quote(SCRIPT, safe="")), method, **more)
    assert status >= 400 or "meta=1" in path
    kind = headers["content-type"].partition(";")[0]
    assert kind in ("application/json", "text/plain")
    assert headers["x-content-type-options"] == "nosniff"
    if kind == "application/json":
        json.loads(text)


async def test_adv_i03_a_failed_login_is_a_text_in_every_list(gateway: Started):
    """Names of who failed to come in, and of who came in, stay what they are: strings of JSON."""
    named = connect_params(token="wrong")
    named["client"] |= {"displayName": SCRIPT, "version": SCRIPT}
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {"User-Agent": SCRIPT}) as stranger,
    ):
        assert (await entered(stranger, named))["ok"] is False
    known = connect_params(scopes=("operator.read",), client_id="webchat", mode="webchat")
    known["client"] |= {"displayName": SCRIPT}
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {}) as guest,
        peer(gateway.url, device="owner") as owner,
    ):
        assert (await entered(guest, known))["ok"] is True
        presence = await owner.call("p", "system-presence", {})
        assert SCRIPT in [one.get("host") for one in presence["payload"]]
        logs = await owner.call("l", "logs.tail", {})
        for line in logs["payload"]["lines"]:
            assert isinstance(json.loads(line), dict)
    trail = (gateway.state_dir / "audit" / "audit.jsonl").read_text("utf-8")
    assert all(isinstance(json.loads(line), dict) for line in trail.splitlines())
    for path in ("/", "/sessions", "/logs"):
        _, text, headers = await get(gateway, path, headers={"Accept": "text/html"})
        assert "the page" in text
        assert "alert(1)" not in text
        assert "unsafe-inline" not in headers["content-security-policy"].partition("style-src")[0]


# I06: a link starts nothing


@pytest.mark.parametrize(
    "path",
    [
        "/?message=run+it&session=main",
        "/chat?session=main&message=run+it&send=1",
        "/agent?message=run+it",
        "/hooks/agent?message=run+it&token=hook-token-0123456789-0123456789",
        "/hooks/wake?text=run+it&token=hook-token-0123456789-0123456789",
        "/v1/chat/completions?message=run+it",
        f"/tools/invoke?tool=message&token={TOKEN}",
    ],
)
async def test_adv_i06_opening_a_link_runs_nothing(gateway: Started, path: str):
    """A link is a GET without a credential of its own: at most it shows the page."""
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        before = await person.call("before", "sessions.list", {})
        for headers in ({"Accept": "text/html"}, {"Accept": "text/html", **BEARER}):
            status, text, _ = await get(gateway, path, headers=headers)
            assert status in (200, 401, 404, 405)
            assert "run it" not in text
            assert "run+it" not in text
        after = await person.call("after", "sessions.list", {})
        seen = [
            [(one["key"], one.get("updatedAt")) for one in answer["payload"]["sessions"]]
            for answer in (before, after)
        ]
        assert seen[0] == seen[1]
        assert person.events("agent") == []


# I07: who looks through a proxy does not sit at this machine


FORWARDING = {
    "Forwarded": "for=127.0.0.1",
    "Via": "1.1 proxy",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
    "X-Forwarded-Proto": "http",
    "X-Real-IP": "127.0.0.1",
    "X-Client-IP": "127.0.0.1",
    "True-Client-IP": "127.0.0.1",
    "CF-Connecting-IP": "127.0.0.1",
    "Tailscale-User-Login": "me@example.com",
    "Origin": "http://localhost",
}


async def test_adv_i07_at_this_machine_the_checks_are_shown(gateway: Started):
    """So that the test below hides something."""
    assert "checks" in json.loads((await get(gateway, "/ready"))[1])


@pytest.mark.parametrize("name", FORWARDING)
async def test_adv_i07_through_a_proxy_they_are_not(gateway: Started, name: str):
    """Although the proxy's socket comes from loopback, and whatever it says."""
    status, text, _ = await get(gateway, "/ready", headers={name: FORWARDING[name]})
    assert status in (200, 403)
    assert "checks" not in json.loads(text)


@pytest.mark.parametrize("host", ["box.example", "127.0.0.1.evil.test", "10.0.0.1"])
async def test_adv_i07_nor_under_another_name(gateway: Started, host: str):
    _, text, _ = await get(gateway, "/ready", headers={"Host": host})
    assert "checks" not in json.loads(text)
