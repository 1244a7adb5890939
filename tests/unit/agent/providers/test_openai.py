"""What the OpenAI adapter sends, and to whom it sends nothing."""

from __future__ import annotations

import pytest

from carapace.agent.providers.openai import OpenAiProvider
from carapace.agent.providers.ports import EmbedRequest, ProviderError, ProviderFault
from carapace.agent.providers.spec import Api, ModelSpec, ProviderSpec
from carapace.clock import SystemClock
from support.fake_llm import fake_llm
from support.providers import KEY, collect, plain_client, provider, request, spec, text_of


async def test_another_vendor_never_sees_openais_identifiers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    async with fake_llm() as server:
        source = provider(spec(Api.OPENAI_COMPLETIONS, server, api_key=None))
        assert text_of(await collect(source, request("[[say:hi]]"))) == "hi"
        await source.aclose()
        assert not any("mine" in value or "sk-" in value for value in server.headers.values())
        assert "authorization" not in server.headers


async def test_headers_of_provider_and_model_go_along() -> None:
    model = ModelSpec("fake-1", "Fake", headers={"X-Model": "m"})
    async with fake_llm() as server:
        made = spec(Api.OPENAI_RESPONSES, server, headers={"X-Mine": "p"}, models=(model,))
        source = provider(made)
        await collect(source, request("hi"))
        await source.aclose()
        assert (server.headers["x-mine"], server.headers["x-model"]) == ("p", "m")
        assert server.headers["authorization"] == f"Bearer {KEY}"


async def test_openai_itself_needs_a_key() -> None:
    made = ProviderSpec("openai", Api.OPENAI_RESPONSES)
    source = OpenAiProvider(made, http_client=plain_client, clock=SystemClock())
    with pytest.raises(ProviderError) as caught:
        await collect(source, request("hi"))
    assert caught.value.fault is ProviderFault.AUTH


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    made = ProviderSpec("gone", Api.OPENAI_COMPLETIONS, base_url="http://127.0.0.1:1/v1")
    source = OpenAiProvider(made, http_client=plain_client, clock=SystemClock())
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1") as caught:
        await collect(source, request("hi"))
    assert caught.value.fault is ProviderFault.UNREACHABLE
    await source.aclose()


async def test_vectors_are_asked_for_with_the_same_credential() -> None:
    async with fake_llm() as server:
        source = OpenAiProvider(
            spec(Api.OPENAI_RESPONSES, server), http_client=plain_client, clock=SystemClock()
        )
        made = await source.embed(EmbedRequest("embed-1", ("a", "b")))
        again = await source.embed(EmbedRequest("embed-1", ("b",)))
        await source.aclose()
        assert made.vectors[1] == again.vectors[0] != made.vectors[0]
        assert (len(made.vectors[0]), made.model) == (32, "embed-1")
        assert server.headers["authorization"] == f"Bearer {KEY}"


async def test_vectors_that_do_not_come_are_the_providers_fault() -> None:
    async with fake_llm() as server:
        source = OpenAiProvider(
            spec(Api.OPENAI_COMPLETIONS, server), http_client=plain_client, clock=SystemClock()
        )
        with pytest.raises(ProviderError, match="fake error 429") as refused:
            await source.embed(EmbedRequest("embed-1", ("[[error:429]]",)))
        with pytest.raises(ProviderError, match="made no vectors within") as slow:
            await source.embed(EmbedRequest("embed-1", ("[[delay:60000]]",), timeout_s=0.05))
        await source.aclose()
    assert refused.value.fault is ProviderFault.RATE_LIMIT
    assert slow.value.fault is ProviderFault.UNREACHABLE
    gone = ProviderSpec("gone", Api.OPENAI_COMPLETIONS, base_url="http://127.0.0.1:1/v1")
    source = OpenAiProvider(gone, http_client=plain_client, clock=SystemClock())
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1:1"):
        await source.embed(EmbedRequest("embed-1", ("a",)))
    await source.aclose()
