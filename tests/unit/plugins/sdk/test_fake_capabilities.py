"""The fake host answers a worker as it answers Python."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.plugins.errors import GuestError
from carapace.plugins.sdk.cases import HostSays, Planned
from carapace.plugins.sdk.fake_capabilities import FakeCapabilities

SAYS = HostSays(
    config={"greeting": "Hi"},
    credentials={"token": "t"},
    http=[Planned("https://a.example/", body="yes", headers={"x-a": "1"})],
)


def request(url: str) -> dict[str, Any]:
    return {"method": "GET", "url": url}


async def test_it_answers_what_the_cases_say():
    calls = FakeCapabilities(SAYS, kv_max_bytes=100).calls(["config", "http", "credentials"])
    assert set(calls) == {"config", "http", "credentials"}
    assert await calls["config"]("get", ["greeting"]) == '"Hi"'
    assert await calls["credentials"]("verify", ["token", "t"]) is True
    assert await calls["http"]("fetch", [request("https://a.example/")]) == {
        "status": 200,
        "headers": [{"name": "x-a", "value": "1"}],
        "body": {"tag": "text", "value": "yes"},
    }


async def test_an_error_is_the_err_arm():
    calls = FakeCapabilities(SAYS, kv_max_bytes=100).calls(["http"])
    with pytest.raises(GuestError) as caught:
        await calls["http"]("fetch", [request("https://b.example/")])
    assert caught.value.code == "not-granted"


async def test_a_new_host_remembers_nothing():
    fake = FakeCapabilities(SAYS, kv_max_bytes=100)
    calls = fake.calls(["kv"])
    await calls["kv"]("put", ["a", "b", None])
    fake.renew()
    assert await calls["kv"]("get", ["a"]) is None


async def test_the_quota_is_the_manifests():
    calls = FakeCapabilities(SAYS, kv_max_bytes=66).calls(["kv"])
    await calls["kv"]("put", ["a", "b", None])
    with pytest.raises(GuestError, match="66 bytes"):
        await calls["kv"]("put", ["a", "bc", None])
