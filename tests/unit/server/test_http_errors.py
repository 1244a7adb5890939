"""Errors have one JSON shape and never tell our insides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from carapace.auth.types import ConnectRefused
from carapace.errors import Failed, Refused
from carapace.server.http_errors import (
    BodyTooLarge,
    error_response,
    json_response,
    read_body,
    translate,
)


async def outcome(error: BaseException) -> web.Response:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    response = await translate(make_mocked_request("GET", "/"), handler)
    assert isinstance(response, web.Response)
    return response


def body(response: web.Response):
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body)["error"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (web.HTTPForbidden(), 403, "forbidden"),
        (TimeoutError(), 408, "timeout"),
        (BodyTooLarge("long"), 413, "request_too_large"),
        (ConnectRefused("no", reason="x"), 401, "unauthorized"),
        (ConnectRefused("no", reason="x", retry_after_ms=10), 429, "rate_limited"),
        (Refused("no"), 400, "invalid_request_error"),
        (Refused("busy", retry_after_ms=1500), 429, "rate_limited"),
        (Failed("down"), 503, "unavailable"),
        (ValueError("internal-detail-4711"), 500, "api_error"),
    ],
)
async def test_what_is_raised_becomes_an_answer(error, status, kind):
    response = await outcome(error)
    assert response.status == status
    assert body(response)["type"] == kind
    assert "4711" not in str(body(response))


@pytest.mark.parametrize(("path", "is_json"), [("/x", False), ("/v1/x", True)])
async def test_what_is_not_there_is_said_as_its_readers_take_it(path, is_json):
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    response = await translate(make_mocked_request("GET", path), handler)
    assert isinstance(response, web.Response)
    assert response.status == 404
    assert (response.content_type == "application/json") is is_json
    assert is_json or response.text == "Not Found"


async def test_a_wrong_method_names_the_right_ones():
    response = await outcome(web.HTTPMethodNotAllowed("GET", ["POST"]))
    assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_a_client_that_left_is_not_answered():
    with pytest.raises(ConnectionResetError):
        await outcome(ConnectionResetError())


async def test_what_a_handler_answers_is_passed_on():
    async def handler(request: web.Request) -> web.StreamResponse:
        return json_response({"a": 1})

    response = await translate(make_mocked_request("GET", "/"), handler)
    assert response.status == 200


def test_waiting_is_told_in_whole_seconds_rounded_up():
    assert error_response(429, "x", retry_after_s=1.2).headers["Retry-After"] == "2"
    assert error_response(429, "x", retry_after_s=0.0).headers["Retry-After"] == "1"
    assert body(error_response(418, "x", kind="teapot")) == {"message": "x", "type": "teapot"}


class Upload:
    """The two things of a request that reading its body needs."""

    def __init__(self, *chunks: bytes, length: int | None = None) -> None:
        self._chunks = chunks
        self.content_length = length
        self.content = self

    async def iter_any(self):
        for chunk in self._chunks:
            yield chunk


async def test_a_body_is_read_up_to_its_limit():
    upload: Any = Upload(b"ab", b"cd", length=4)
    assert await read_body(upload, max_bytes=4, deadline_s=1.0) == b"abcd"


@pytest.mark.parametrize("upload", [Upload(length=5), Upload(b"abc", b"de")])
async def test_a_longer_body_is_refused_by_its_announced_or_real_length(upload):
    with pytest.raises(BodyTooLarge, match="4 bytes"):
        await read_body(upload, max_bytes=4, deadline_s=1.0)
