"""Advisories of group C about paths and their scopes, at the port of a whole gateway.

Two gateways in processes of their own serve all tests here. To the first the shared credential
gives what it gives by default, reading and writing; to the second it gives approvals alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from carapace_tools.golden.connection import Connection
from carapace_tools.golden.identity import Identity
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.ws import connect_params, entered, peer, talk

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOOK_TOKEN = "hook-token-0123456789-0123456789"
CHAT = {"model": "carapace", "messages": [{"role": "user", "content": "hello"}]}
READ_WRITE = ("operator.read", "operator.write")
REFUSED = {400, 401, 403, 404, 405}


def configuration(folder: Path, model_port: int, **gateway: Any) -> dict[str, Any]:
    """Everything that can be served, served."""
    canvas = folder / "canvas"
    canvas.mkdir(parents=True)
    (canvas / "index.html").write_text("the canvas")
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    endpoints = {"chatCompletions": {"enabled": True}, "responses": {"enabled": True}}
    given = settings(model_port, http={"endpoints": endpoints}, **gateway)
    given["agents"]["defaults"]["workspace"] = str(workspace)
    main = {"id": "main", "default": True, "identity": {"name": "Ada", "avatar": "face.png"}}
    given["agents"]["list"] = [main, {"id": "other"}]
    given["canvasHost"] = {"root": str(canvas), "a2uiRoot": str(canvas)}
    given["hooks"] = {"enabled": True, "token": HOOK_TOKEN}
    return given


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[tuple[Started, Started]]:
    folder = tmp_path_factory.mktemp("routes")
    narrow = {"mode": "token", "token": TOKEN, "deviceLessScopes": ["operator.approvals"]}
    async with model_server(folder) as model:
        usual = configuration(folder / "usual", model.port)
        few = configuration(folder / "few", model.port, auth=narrow)
        async with (
            running_gateway(folder / "usual" / "home", usual) as first,
            running_gateway(folder / "few" / "home", few) as second,
        ):
            yield first, second


@pytest.fixture
def gateway(gateways: tuple[Started, Started]) -> Started:
    return gateways[0]


@pytest.fixture
def approvals_only(gateways: tuple[Started, Started]) -> Started:
    return gateways[1]


async def ask(
    gateway: Started, method: str, path: str, *, bearer: bool = True, **more: Any
) -> tuple[int, str]:
    headers = {**(BEARER if bearer else {}), **more.pop("headers", {})}
    url = URL(gateway.http + path, encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, headers=headers, **more) as response,
    ):
        return response.status, (await response.read()).decode(errors="replace")


async def sessions_of(person: Connection, name: str) -> dict[str, Any]:
    """Every session's id by its key: another id is a session that was reset."""
    listed = await person.call(name, "sessions.list", {})
    return {one["key"]: one["sessionId"] for one in listed["payload"]["sessions"]}


# C01, C02: sessions have no door over HTTP


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((way, f"/sessions/main/{verb}") for way in ("GET", "POST") for verb in ("kill", "abort")),
        ("DELETE", "/sessions/agent:main:main"),
        ("POST", "/sessions/agent%3Amain%3Amain/kill"),
        ("POST", "/api/sessions/main/kill"),
        ("POST", "/v1/sessions/main/kill"),
    ],
)
async def test_adv_c01_no_path_ends_or_deletes_a_session(gateway: Started, method: str, path: str):
    assert (await ask(gateway, method, path))[0] == 404


@pytest.mark.parametrize("method", ["sessions.delete", "sessions.reset", "sessions.patch"])
async def test_adv_c01_what_ends_a_session_is_an_administrators(gateway: Started, method: str):
    """The Node gateway let any bearer kill any session; ours have read and write at most."""
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        await talk(person, "main", "hello", f"c01-{method}")
        before = await sessions_of(person, "before")
        for key in ("main", "agent:other:main"):
            answer = await person.call(f"{method}-{key}", method, {"key": key})
            assert answer["error"]["message"] == "missing scope: operator.admin"
        assert await sessions_of(person, "after") == before


async def test_adv_c01_a_reader_ends_no_run(gateway: Started):
    async with peer(gateway.url, scopes=("operator.read",)) as reader:
        answer = await reader.call("a", "chat.abort", {"sessionKey": "main"})
        assert answer["error"]["message"] == "missing scope: operator.write"


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/main/history",
        "/sessions/agent:other:main/history",
        "/sessions",
        "/api/sessions",
        "/v1/sessions",
        "/v1/sessions/main/messages",
        "/v1/responses/resp_1/input_items",
    ],
)
async def test_adv_c02_no_path_shows_what_was_said(gateway: Started, path: str):
    assert (await ask(gateway, "GET", path))[0] == 404


@pytest.mark.parametrize("key", ["main", "agent:other:main"])
async def test_adv_c02_what_was_said_needs_the_scope_to_read(approvals_only: Started, key: str):
    async with peer(approvals_only.url, scopes=("operator.read",)) as nobody:
        for method, params in (
            ("chat.history", {"sessionKey": key}),
            ("sessions.preview", {"keys": [key]}),
            ("sessions.list", {}),
        ):
            answer = await nobody.call(method, method, params)
            assert answer["error"]["message"] == "missing scope: operator.read"


# C05: pictures and pages of the assistant


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_adv_c05_pictures_and_pages_need_the_scope_to_read(
    approvals_only: Started, method: str
):
    """The credential is right; what it may do is not enough."""
    for path in ("/avatar/main", "/media/unknown", "/media/"):
        status, text = await ask(approvals_only, method, path)
        assert status == 404
        assert "PNG" not in text
    for path in ("/avatar/main?meta=1", "/__openclaw__/canvas/", "/__clawdbot__/a2ui/"):
        status, text = await ask(approvals_only, method, path)
        assert status == 403
        assert "pass=" not in text
        assert "the canvas" not in text


async def test_adv_c05_with_the_scope_they_are_there(gateway: Started):
    """So that the test above refuses something."""
    for path, shown, stranger in (
        ("/avatar/main", "PNG", 404),
        ("/avatar/main?meta=1", "pass=", 200),
        ("/__openclaw__/canvas/", "the canvas", 401),
    ):
        status, text = await ask(gateway, "GET", path)
        assert (status, shown in text) == (200, True)
        status, text = await ask(gateway, "GET", path, bearer=False)
        assert (status, shown in text) == (stranger, False)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/v1/responses", {"model": "carapace", "input": "hello"}),
        ("POST", "/tools/invoke", {"tool": "session_status"}),
        ("POST", "/tools/invoke", {"tool": "nothing"}),
    ],
)
async def test_adv_c05_approvals_alone_open_no_endpoint(
    approvals_only: Started, method: str, path: str, body: Any
):
    status, text = await ask(approvals_only, method, path, json=body)
    assert (status, "missing scope" in text) == (403, True)


# C07: what a program may not have done


@pytest.mark.parametrize(
    "tool",
    ["exec", "process", "bash", "read", "write", "edit", "apply_patch", "gateway", "config.patch",
     "config.set", "sessions.patch", "exec.approval.resolve", "nodes", "browser"],
)  # fmt: skip
async def test_adv_c07_nothing_of_the_machine_is_invoked_over_http(gateway: Started, tool: str):
    body = {"tool": tool, "action": "patch", "args": {"raw": "{}", "argv": ["id"], "path": "/"}}
    status, text = await ask(gateway, "POST", "/tools/invoke", json=body)
    assert status == 404
    assert json.loads(text)["error"]["type"] == "not_found"


# C08: resetting by other doors


@pytest.mark.parametrize("word", ["/new", "/reset", "/RESET", " /new", "/reset hard"])
async def test_adv_c08_no_door_of_a_writer_resets_a_session(gateway: Started, word: str):
    async with peer(gateway.url, scopes=READ_WRITE) as writer:
        await talk(writer, "main", "hello", f"c08-{word}")
        before = await sessions_of(writer, "before")
        for key in ("main", "agent:main:main", "agent:other:main"):
            params = {"sessionKey": key, "message": word, "idempotencyKey": f"r-{word}-{key}"}
            answer = await writer.call(f"send-{key}", "chat.send", params)
            assert answer["error"]["message"] == "missing scope: operator.admin"
        params = {"sessionKey": "main", "message": word, "idempotencyKey": f"a-{word}"}
        await writer.call("agent", "agent", params)
        await writer.call("wait", "agent.wait", {"runId": f"a-{word}", "timeoutMs": 10_000})
        body = {**CHAT, "messages": [{"role": "user", "content": word}]}
        headers = {"x-openclaw-session-key": "agent:main:main"}
        status, _ = await ask(gateway, "POST", "/v1/chat/completions", json=body, headers=headers)
        assert status == 200
        after = await sessions_of(writer, "after")
        assert {key: after[key] for key in before} == before


# C13: a door that leads to other doors


BROWSER_NODE: dict[str, Any] = {"role": "node", "scopes": (), "client_id": "node-host"}
CHANGES = [
    ("POST", "/profiles/create"),
    ("DELETE", "/profiles/work"),
    ("POST", "/reset-profile"),
    ("POST", "/Reset-Profile/"),
    ("POST", "//reset-profile"),
    ("POST", "/tabs/../reset-profile"),
    ("POST", "/%72eset-profile"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_adv_c13_no_proxy_lets_a_writer_change_a_browsers_profiles(
    gateway: Started, method: str, path: str
):
    """By neither door; the node that offers its browser is not even asked."""
    asked = {"method": method, "path": path, "body": {"name": "x"}}
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, gateway.url, {}) as node,
        peer(gateway.url, scopes=READ_WRITE) as writer,
    ):
        params = {**connect_params(**BROWSER_NODE, mode="node"), "commands": ["browser.proxy"]}
        hello = await entered(node, params, "browser-node")
        assert hello["ok"], hello
        invoke = {"nodeId": Identity("browser-node").device_id, "command": "browser.proxy"}
        doors = {
            "browser.request": asked,
            "node.invoke": {**invoke, "params": asked, "idempotencyKey": f"{method} {path}"},
        }
        for door, given in doors.items():
            answer = await writer.call(door, door, given)
            assert answer["error"]["message"] == "missing scope: operator.admin", door
        assert node.events("node.invoke.request") == []
        harmless = {"method": "GET", "path": "/profiles", "timeoutMs": 1}
        await writer.call("harmless", "browser.request", harmless)
        await node.until(lambda: node.events("node.invoke.request"), "the question", 5)


@pytest.mark.parametrize("prefix", ["", "/browser", "/api/browser", "/__openclaw__/browser"])
async def test_adv_c13_no_path_leads_to_a_browser(gateway: Started, prefix: str):
    assert (await ask(gateway, "POST", f"{prefix}/reset-profile"))[0] in (404, 405)


# C14: ids are no paths


NAMES = [
    "../../../../etc/passwd",
    "..\\..\\secret",
    "/etc/passwd",
    "a\x00b",
    "agent:main:../../../../x",
    "agent:../../x:main",
    "CON",
    "file:///etc/passwd",
    "x" * 600,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_adv_c14_no_id_of_a_session_is_a_path(gateway: Started, name: str):
    """Sessions are rows: an id that looks like a path finds and makes nothing on the disk."""
    files = {one for one in gateway.home.rglob("*") if "log" not in one.name}
    async with peer(gateway.url, device="administrator") as person:
        for method, params in (
            ("chat.history", {"sessionKey": name}),
            ("sessions.preview", {"keys": [name]}),
            ("sessions.resolve", {"sessionId": name}),
        ):
            answer = await person.call(method, method, params)
            assert "root:" not in json.dumps(answer)
        params = {"message": "hi", "sessionId": name, "idempotencyKey": f"id-{NAMES.index(name)}"}
        answer = await person.call("agent", "agent", params)
        assert "root:" not in json.dumps(answer)
    made = {one for one in gateway.home.rglob("*") if "log" not in one.name} - files
    assert {one.name for one in made} <= {"carapace.db-wal", "carapace.db-shm"}


@pytest.mark.parametrize("field", ["sessionFile", "transcriptPath", "storePath", "workspaceDir"])
async def test_adv_c14_no_client_names_a_file_of_a_session(gateway: Started, field: str):
    async with peer(gateway.url, device="administrator") as person:
        for method, params in (
            ("agent", {"message": "hi", "idempotencyKey": "f", "sessionKey": "main"}),
            ("chat.send", {"message": "hi", "idempotencyKey": "f", "sessionKey": "main"}),
            ("chat.history", {"sessionKey": "main"}),
            ("sessions.resolve", {"key": "main"}),
        ):
            answer = await person.call(method, method, {**params, field: "/etc/passwd"})
            assert f"unexpected property '{field}'" in answer["error"]["message"]


# C16: one path, one decision


PROTECTED = [
    "/v1/models",
    "/v1/models/carapace",
    "/__clawdbot__/canvas/index.html",
    "/__openclaw__/a2ui/index.html",
    "/avatar/main",
    "/hooks/wake",
    "/channels/webhook/shop",
    "/plugins/parrot/in",
    "/tools/invoke",
]


def spellings(path: str) -> list[str]:
    """Ways to write a path that some reader, somewhere, takes for the plain one."""
    head, _, last = path.rpartition("/")
    first = path.split("/")[1]
    encoded = "".join(f"%{ord(char):02x}" for char in last)
    return [
        path.upper(),
        path.title(),
        f"{path}/",
        f"{path}//",
        f"{path}/.",
        f"{path}/..",
        f"{path}/%2e",
        f"{path};",
        f"{path};a=b",
        f"{path}%00",
        f"{path}%20",
        f"{path}.",
        f"{path}%2f",
        f"{path}?",
        f"{path}?/../x",
        f"/{path}",
        f"//{first}{path[len(first) + 1 :]}",
        f"/.{path}",
        f"/x/..{path}",
        f"/health/..{path}",
        f"/health/%2e%2e{path}",
        f"/health%2f..{path}",
        f"/health/..%2f{path[1:]}",
        f"/health;{path}",
        f"/%2e{path}",
        f"/{first}/..{path}",
        f"{head}//{last}",
        f"{head}/./{last}",
        f"{head}%2f{last}",
        f"{head}%252f{last}",
        f"{head}\\{last}",
        f"{head}%5c{last}",
        f"{head}/{encoded}",
        f"{head}/{encoded.upper()}",
        f"{head}/{encoded.replace('%', '%25')}",
        f"{head}/\uff0e{last}".encode().decode("latin-1"),
        f"{head}/%c0%ae{last}",
        f"http://127.0.0.1{path}",
        f"http://evil.test{path}",
    ]


CORPUS = [(path, one) for path in PROTECTED for one in spellings(path)]


async def statuses(gateway: Started, lines: list[tuple[str, str]]) -> list[int]:
    """The status of each request, sent as it is written: no client tidies the path."""

    async def one(target: str, headers: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        try:
            head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
            writer.write(head.encode("latin-1"))
            async with asyncio.timeout(10):
                return int((await reader.readline()).split()[1])
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(one(*line)) for line in lines]
    return [task.result() for task in asked]


async def test_adv_c16_however_a_path_is_written_the_decision_is_one(gateway: Started):
    """What shows something with the credential is 401 without; all else shows nothing to anybody.

    350 spellings, among them the plain ones, sent byte for byte.
    """
    lines = [*((path, path) for path in PROTECTED), *CORPUS]
    assert len(lines) > 300
    bearer = f"Authorization: Bearer {TOKEN}\r\n"
    without = await statuses(gateway, [(line, "") for _, line in lines])
    wrong = await statuses(gateway, [(line, "X-Forwarded-For: 127.0.0.1\r\n") for _, line in lines])
    given = await statuses(gateway, [(line, bearer) for _, line in lines])
    shown = 0
    for (_, line), stranger, forwarded, owner in zip(lines, without, wrong, given, strict=True):
        assert stranger == forwarded, line
        assert stranger in REFUSED, (line, stranger)
        if owner == 200:
            shown += 1
            is_hidden = "/avatar/" in line.lower()
            assert stranger == (404 if is_hidden else 401), line
    assert shown >= 5


# C22, C23: identities that only a header claims


CLAIMS = [
    {"Tailscale-User-Login": "owner@example.com"},
    {
        "Tailscale-User-Login": "owner@example.com",
        "X-Forwarded-For": "100.64.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "box.tail.ts.net",
    },
    {"Tailscale-User-Name": "Owner", "Tailscale-User-Profile-Pic": "x"},
    {"X-Forwarded-User": "owner", "X-Forwarded-Email": "owner@example.com"},
    {"Remote-User": "owner"},
    {"X-Auth-Request-User": "owner"},
    {"X-Pomerium-Jwt-Assertion": "a.b.c"},
    {"X-Openclaw-Scopes": "operator.admin", "X-Openclaw-User": "owner"},
    {"Cf-Access-Authenticated-User-Email": "owner@example.com"},
]
ROUTES = [
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/tools/invoke"),
    ("GET", "/__clawdbot__/canvas/"),
    ("POST", "/hooks/wake"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind_proxies(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Started]:
    """A gateway for which this machine is a trusted proxy, and Tailscale serves it."""
    folder = tmp_path_factory.mktemp("proxies")
    more = {"trustedProxies": ["127.0.0.1"], "tailscale": {"mode": "serve"}}
    async with (
        model_server(folder) as model,
        running_gateway(
            folder / "home", configuration(folder / "files", model.port, **more)
        ) as started,
    ):
        yield started


@pytest.mark.parametrize("claim", CLAIMS, ids=range(len(CLAIMS)))
async def test_adv_c22_c23_a_header_is_nobody_on_any_route(
    gateway: Started, behind_proxies: Started, claim: dict[str, str]
):
    """Neither from a stranger nor from a trusted proxy: no route takes an identity from one."""
    for one in (gateway, behind_proxies):
        for method, path in ROUTES:
            status, _ = await ask(one, method, path, bearer=False, headers=claim, json=CHAT)
            assert status == 401, (path, one is behind_proxies)


@pytest.mark.parametrize("device", [None, "forger"])
@pytest.mark.parametrize("claim", CLAIMS, ids=range(len(CLAIMS)))
async def test_adv_c23_no_socket_is_opened_with_a_forged_identity(
    behind_proxies: Started, claim: dict[str, str], device: str | None
):
    """A process of this machine writes what the proxy would write, and has no credential."""
    async with (
        aiohttp.ClientSession() as session,
        Connection(session, behind_proxies.url, claim) as connection,
    ):
        answer = await entered(connection, connect_params(token=None), device)
        assert answer["ok"] is False
        wanted = "token missing" if device else "device identity required"
        assert wanted in answer["error"]["message"]


async def test_adv_c23_a_forged_identity_adds_nothing_to_a_credential(behind_proxies: Started):
    for claim in CLAIMS:
        async with peer(behind_proxies.url, headers=claim) as person:
            answer = await person.call("c", "config.get", {})
            assert answer["error"]["message"] == "missing scope: operator.admin"
