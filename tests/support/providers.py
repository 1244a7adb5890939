"""Providers against the scripted model server, and what tests ask of them."""

from __future__ import annotations

import anthropic as _anthropic
import httpx2
import openai as _openai

from carapace.agent.providers.anthropic import AnthropicProvider
from carapace.agent.providers.google import GoogleProvider
from carapace.agent.providers.openai import OpenAiProvider
from carapace.agent.providers.ports import (
    ModelEvent,
    ModelMessage,
    ModelRequest,
    Provider,
    TextDelta,
    TextPart,
)
from carapace.agent.providers.spec import Api, ProviderSpec
from carapace.clock import Clock, SystemClock
from support.fake_llm import FakeLlm

__all__ = [
    "KEY",
    "SDKS",
    "collect",
    "plain_client",
    "provider",
    "request",
    "spec",
    "text_of",
    "user",
]

KEY = "sk-test-key-0123456789"
# Imported with this module, so that no single test pays for the SDKs' seconds.
SDKS = (_anthropic, _openai)
_PATHS = {
    Api.OPENAI_COMPLETIONS: "/v1",
    Api.OPENAI_RESPONSES: "/v1",
    Api.ANTHROPIC_MESSAGES: "",
    Api.GOOGLE_GENERATIVE_AI: "/v1beta",
}


def plain_client(_: ProviderSpec) -> httpx2.AsyncClient:
    """An unguarded client: these tests are about formats, not about addresses."""
    return httpx2.AsyncClient(trust_env=False, timeout=httpx2.Timeout(None, connect=5.0))


def spec(api: Api, server: FakeLlm, **fields: object) -> ProviderSpec:
    values: dict[str, object] = {
        "name": "fake",
        "api": api,
        "base_url": server.url + _PATHS[api],
        "api_key": KEY,
    }
    return ProviderSpec(**{**values, **fields})  # type: ignore[arg-type]  # fields by name


def provider(made: ProviderSpec, clock: Clock | None = None) -> Provider:
    clock = clock or SystemClock()
    match made.api:
        case Api.ANTHROPIC_MESSAGES:
            return AnthropicProvider(made, http_client=plain_client, clock=clock)
        case Api.GOOGLE_GENERATIVE_AI:
            return GoogleProvider(made, http_client=plain_client, clock=clock)
        case _:
            return OpenAiProvider(made, http_client=plain_client, clock=clock)


def user(text: str) -> ModelMessage:
    return ModelMessage("user", (TextPart(text),))


def request(text: str, **fields: object) -> ModelRequest:
    values: dict[str, object] = {
        "model": "fake-1",
        "system": "Be brief.",
        "messages": (user(text),),
        "timeout_s": 10.0,
    }
    return ModelRequest(**{**values, **fields})  # type: ignore[arg-type]  # fields by name


async def collect(source: Provider, asked: ModelRequest) -> list[ModelEvent]:
    return [event async for event in source.stream(asked)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
