"""How the Google adapter addresses models and authenticates."""

from __future__ import annotations

import pytest

from carapace.agent.providers.google import GoogleProvider
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.clock import SystemClock
from support.fake_llm import fake_llm
from support.providers import KEY, collect, plain_client, provider, request, spec


@pytest.mark.parametrize(
    ("suffix", "path"),
    [("", "/v1beta/models/"), ("/v1beta", "/v1beta/models/"), ("/v1/", "/v1/models/")],
)
async def test_the_version_is_added_where_the_address_has_none(suffix: str, path: str) -> None:
    async with fake_llm() as server:
        source = provider(spec(Api.GOOGLE_GENERATIVE_AI, server, base_url=server.url + suffix))
        await collect(source, request("hi", model="models/gemini/x"))
        await source.aclose()
        assert server.requests[-1]["path"].startswith(path)
        assert "models/models" not in server.requests[-1]["path"]


@pytest.mark.parametrize(
    ("fields", "header", "value"),
    [
        ({}, "x-goog-api-key", KEY),
        ({"is_bearer": True}, "authorization", f"Bearer {KEY}"),
        ({"api_key": None, "headers": {"X-Mine": "yes"}}, "x-mine", "yes"),
    ],
)
async def test_the_key_is_a_header_never_part_of_the_address(
    fields: dict[str, object], header: str, value: str
) -> None:
    async with fake_llm() as server:
        source = provider(spec(Api.GOOGLE_GENERATIVE_AI, server, **fields))
        await collect(source, request("hi"))
        await source.aclose()
        assert server.headers[header] == value
        assert KEY not in server.requests[-1]["path"]


async def test_google_itself_needs_a_key_and_a_dead_server_is_unreachable() -> None:
    bare = GoogleProvider(
        ProviderSpec("google", Api.GOOGLE_GENERATIVE_AI),
        http_client=plain_client,
        clock=SystemClock(),
    )
    with pytest.raises(ProviderError) as caught:
        await bare.warm()
    assert caught.value.fault is ProviderFault.AUTH
    await bare.aclose()
    gone = GoogleProvider(
        ProviderSpec("gone", Api.GOOGLE_GENERATIVE_AI, base_url="http://127.0.0.1:1"),
        http_client=plain_client,
        clock=SystemClock(),
    )
    with pytest.raises(ProviderError, match="Cannot reach") as unreached:
        await collect(gone, request("hi"))
    assert unreached.value.fault is ProviderFault.UNREACHABLE
    await gone.aclose()
