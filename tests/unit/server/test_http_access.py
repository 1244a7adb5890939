"""An endpoint asks for what the row of its method asks for."""

from __future__ import annotations

import aiohttp
import msgspec
import pytest
from aiohttp import web

from carapace.server.http_errors import json_response
from support.openai_requests import access
from support.server import TOKEN, running_server

PATHS = {"agent": ("POST", "/v1/chat/completions"), "models.list": ("GET", "/v1/models")}


@pytest.fixture
async def ask(tmp_path):
    def prepare(server, admitter) -> None:
        judge = access(server, admitter)

        async def handle(request: web.Request) -> web.Response:
            caller = await judge.caller(request, request.query["as"])
            return caller if isinstance(caller, web.Response) else json_response(caller.granted)

        class Routes:
            def add_to(self, router: web.UrlDispatcher) -> None:
                for verb, path in (*PATHS.values(), ("GET", "/stray"), ("GET", "/health")):
                    router.add_route(verb, path, handle)

        server.add(Routes())

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(method: str, token: str | None = TOKEN, path: str = ""):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            verb, usual = PATHS[method]
            url = f"{running.url}{path or usual}?as={method}"
            async with http.request("GET" if path else verb, url, headers=headers) as response:
                return response.status, msgspec.json.decode(await response.read()), response.headers

        yield ask


async def test_the_rows_scope_decides(ask):
    assert (await ask("agent"))[0] == 200
    assert (await ask("models.list", "reader"))[0] == 200
    status, body, _ = await ask("agent", "reader")
    assert (status, body["error"]["message"]) == (403, "missing scope: operator.write")


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_strangers_are_told_which_credential_is_asked_for(ask, token):
    status, body, headers = await ask("agent", token)
    assert (status, body["error"]) == (401, {"message": "Unauthorized", "type": "unauthorized"})
    assert headers["WWW-Authenticate"] == "Bearer"


async def test_who_is_locked_out_is_told_how_long(ask):
    status, _, headers = await ask("agent", "locked")
    assert (status, headers["Retry-After"]) == (429, "2")


@pytest.mark.parametrize(
    ("method", "path"),
    [("agent", "/stray"), ("agent", "/health"), ("agent", "/v1/models")],
    ids=["without a row", "declared open", "declared as another"],
)
async def test_an_endpoint_that_the_table_does_not_know_opens_for_nobody(ask, method, path):
    status, body, _ = await ask(method, TOKEN, path)
    assert status == 503
    assert "granted" not in str(body)
