"""The ports are what others really have."""

from __future__ import annotations

from aiohttp.test_utils import make_mocked_request

from carapace.auth.origin import describe
from carapace.auth.ports import Headers, OriginSettings
from support.auth import gateway


def test_an_http_requests_headers_and_the_settings_fit():
    request = make_mocked_request("GET", "/", headers={"host": "localhost", "X-Real-IP": "::1"})
    given: Headers = request.headers
    settings: OriginSettings = gateway()
    origin = describe("127.0.0.1", given, settings)
    assert origin.host == "localhost"
    assert origin.is_forwarded
