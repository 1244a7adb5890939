"""What the Anthropic adapter sends as credential, and what it never looks for."""

from __future__ import annotations

import pytest

from carapace.agent.providers.anthropic import AnthropicProvider
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.clock import SystemClock
from support.fake_llm import fake_llm
from support.providers import KEY, collect, plain_client, provider, request, spec, text_of


async def test_the_key_goes_in_its_own_header_or_as_bearer() -> None:
    async with fake_llm() as server:
        for is_bearer, header, value in (
            (False, "x-api-key", KEY),
            (True, "authorization", f"Bearer {KEY}"),
        ):
            source = provider(spec(Api.ANTHROPIC_MESSAGES, server, is_bearer=is_bearer))
            await collect(source, request("hi"))
            await source.aclose()
            assert server.headers[header] == value
            assert sum(KEY in text for text in server.headers.values()) == 1


async def test_credentials_of_the_environment_go_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-env")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "sk-env")
    async with fake_llm() as server:
        url = server.url + "/v1/"
        source = provider(spec(Api.ANTHROPIC_MESSAGES, server, api_key=None, base_url=url))
        assert text_of(await collect(source, request("[[say:hi]]"))) == "hi"
        await source.aclose()
        assert not any("sk-env" in value for value in server.headers.values())


async def test_anthropic_itself_needs_a_key() -> None:
    made = ProviderSpec("anthropic", Api.ANTHROPIC_MESSAGES)
    source = AnthropicProvider(made, http_client=plain_client, clock=SystemClock())
    with pytest.raises(ProviderError) as caught:
        await collect(source, request("hi"))
    assert caught.value.fault is ProviderFault.AUTH
