"""Every answer is hardened; a handler that thought about a header wins."""

from __future__ import annotations

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from carapace.server.headers import harden


async def test_an_answer_cannot_be_framed_sniffed_cached_or_told_onward():
    response = web.Response(headers={"Server": "talkative"})
    await harden(make_mocked_request("GET", "/"), response)
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Server" not in response.headers


async def test_what_a_handler_has_set_stays():
    response = web.Response(headers={"Cache-Control": "no-cache"})
    await harden(make_mocked_request("GET", "/"), response)
    assert response.headers["Cache-Control"] == "no-cache"
