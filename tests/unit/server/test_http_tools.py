"""`/tools/invoke` passes on what a program asks and says what came of it, as recorded."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import msgspec
import pytest

from carapace.agent.tools.invoke import Invoked, NotInvoked
from carapace.server.http_tools import ToolRoutes
from support.openai_requests import access
from support.server import TOKEN, running_server


class Invoker:
    """Says what a test wants, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.found: Invoked | NotInvoked = Invoked({"content": []})

    async def invoke(self, name: str, **more: Any) -> Invoked | NotInvoked:
        self.asked.append((name, more))
        return self.found


@pytest.fixture
def invoker() -> Invoker:
    return Invoker()


@pytest.fixture
async def ask(tmp_path, invoker):
    def prepare(server, admitter) -> None:
        server.add(ToolRoutes(invoker, access=access(server, admitter)))

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(body: Any, *, token: str = TOKEN, method: str = "POST"):
            data = io.BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body))
            headers = {"Authorization": f"Bearer {token}"}
            url = running.url + "/tools/invoke"
            async with http.request(method, url, data=data, headers=headers) as response:
                raw = await response.read()
                is_json = response.content_type == "application/json"
                return response.status, msgspec.json.decode(raw) if is_json else raw

        yield ask


async def test_a_tool_is_run_with_what_was_sent(ask, invoker):
    body = {"tool": "cron", "action": "status", "args": {"a": 1}, "sessionKey": "main"}
    assert await ask(body) == (200, {"ok": True, "result": {"content": []}})
    ((name, more),) = invoker.asked
    assert (name, more["action"], more["args"], more["session_key"]) == (
        "cron",
        "status",
        {"a": 1},
        "main",
    )
    assert more["caller"].granted == ("operator.read", "operator.write")


@pytest.mark.parametrize("body", [b"", b"[]", {"tool": 5, "args": "x"}])
async def test_fields_of_another_kind_count_as_missing(ask, invoker, body):
    await ask(body)
    assert invoker.asked[0][0] == ""
    assert invoker.asked[0][1]["args"] is None


@pytest.mark.parametrize(
    ("kind", "status"), [("not_found", 404), ("tool_error", 400), ("forbidden", 403)]
)
async def test_what_was_not_done_says_why(ask, invoker, kind, status):
    invoker.found = NotInvoked(kind, "because")
    error = {"type": kind, "message": "because"}
    assert await ask({"tool": "x"}) == (status, {"ok": False, "error": error})


async def test_a_bad_request_has_the_other_shape(ask, invoker):
    invoker.found = NotInvoked("invalid_request_error", "tools.invoke requires body.tool")
    status, body = await ask({})
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert "ok" not in body


async def test_what_is_no_json_is_400_and_what_is_long_413(ask, invoker):
    assert (await ask(b"{bad"))[0] == 400
    assert (await ask(b"x" * 2_200_000))[0] == 413
    assert (await ask({}, token="wrong"))[0] == 401
    assert (await ask({}, method="GET"))[0] == 405
    assert invoker.asked == []
