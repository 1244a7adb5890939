"""Live says nothing but yes; ready says why not, to those who may know."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from carapace.server.http_health import HealthRoutes, bearer_of
from carapace.telemetry.health import Readiness
from support.server import TOKEN, running_server


@pytest.fixture
def readiness() -> Readiness:
    readiness = Readiness()
    readiness.add("store", lambda: None)
    return readiness


@pytest.fixture
async def running(tmp_path, readiness):
    def prepare(server, admitter) -> None:
        server.add(HealthRoutes(readiness, admitter=admitter, origin_of=server.guard.origin))

    async with running_server(tmp_path, prepare=prepare) as running:
        yield running


async def get(running, path: str, method: str = "GET", **headers: str):
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, running.url + path, headers=headers) as response,
    ):
        text = await response.text()
        is_json = response.content_type == "application/json"
        return (
            response.status,
            (await response.json()) if text and is_json else {},
            response.headers,
        )


@pytest.mark.parametrize("path", ["/health", "/healthz"])
async def test_the_process_answers(running, path):
    status, payload, _ = await get(running, path)
    assert (status, payload) == (200, {"ok": True, "status": "live"})
    assert (await get(running, path, "HEAD"))[:2] == (200, {})


async def test_ready_with_details_for_this_machine(running, readiness):
    assert await get_ready(running) == (
        200,
        {"ok": True, "status": "ready", "checks": {"store": "ok"}},
    )
    readiness.add("providers", lambda: "no model is configured")
    status, payload = await get_ready(running)
    assert status == 503
    assert payload["checks"] == {"store": "ok", "providers": "no model is configured"}


async def get_ready(running, **headers: str):
    return (await get(running, "/ready", **headers))[:2]


FORWARDED = {"X-Forwarded-For": "9.9.9.9"}


async def test_strangers_hear_only_yes_or_no(running, readiness):
    readiness.add("store2", lambda: "/secret/path is full")
    status, payload = await get_ready(running, **FORWARDED)
    assert (status, payload) == (503, {"ok": False, "status": "not ready"})
    wrong = await get_ready(running, Authorization="Bearer nope", **FORWARDED)
    assert "checks" not in wrong[1]


async def test_a_credential_shows_the_details(running):
    _, payload = await get_ready(running, Authorization=f"Bearer {TOKEN}", **FORWARDED)
    assert payload["checks"] == {"store": "ok"}


async def test_a_wrong_method_is_405_with_allow(running):
    status, _, headers = await get(running, "/health", "POST")
    assert (status, headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize(
    ("value", "secret"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("Bearer ", None)],
)
def test_a_bearer_is_read_from_its_header_alone(value, secret):
    request = make_mocked_request("GET", "/?token=x", headers={"Authorization": value})
    assert bearer_of(request) == secret
