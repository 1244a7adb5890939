"""Is Ollama there, and what has it got? Asked once in a while, with a short deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from carapace.agent.providers.discovery import OLLAMA, ollama_url
from carapace.agent.providers.spec import Api, HttpClientFactory, ModelSpec, ProviderSpec

__all__ = ["PROBE_DEADLINE_S", "probe_ollama"]

PROBE_DEADLINE_S = 0.3
_MAX_MODELS = 200
_HTTP_OK = 200


class _Row(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Row] = []


async def probe_ollama(
    env: Mapping[str, str], http_client: HttpClientFactory
) -> ProviderSpec | None:
    """The source Ollama makes, or None if it does not answer within 0.3 seconds or has no model."""
    base_url = ollama_url(env)
    # Whoever set OLLAMA_HOST named that host; the policy opens it and nothing else.
    private = True if env.get("OLLAMA_HOST") else None
    spec = ProviderSpec(
        name=OLLAMA, api=Api.OPENAI_COMPLETIONS, base_url=f"{base_url}/v1", allow_private=private
    )
    try:
        http = http_client(spec)
        try:
            async with asyncio.timeout(PROBE_DEADLINE_S):
                models = await _models(http, f"{base_url}/api/tags")
        finally:
            await http.aclose()
    except Exception:  # noqa: BLE001 - whatever is wrong there, the answer is "no Ollama"
        return None
    if not models:
        return None
    return replace(spec, models=models)


async def _models(http: Any, url: str) -> tuple[ModelSpec, ...]:
    answer = await http.get(url)
    if answer.status_code != _HTTP_OK:
        return ()
    tags = msgspec.json.decode(answer.content, type=_Tags)
    names = [row.name for row in tags.models if "embed" not in row.name]
    return tuple(ModelSpec(id=name, name=name) for name in names[:_MAX_MODELS])
