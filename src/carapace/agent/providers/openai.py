"""OpenAI, Ollama and every server that speaks OpenAI's formats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from carapace.agent.providers.openai_chat import ChatDecoder, chat_body
from carapace.agent.providers.openai_embeddings import embeddings_body, read_embeddings, whole
from carapace.agent.providers.openai_responses import ResponsesDecoder, responses_body
from carapace.agent.providers.ports import (
    Embedded,
    EmbedRequest,
    ModelEvent,
    ModelRequest,
    ProviderError,
    ProviderFault,
)
from carapace.agent.providers.sdk import Sdk
from carapace.agent.providers.spec import Api, HttpClientFactory, ProviderSpec
from carapace.agent.providers.streaming import EventDecoder, Opened, SseStream, relay
from carapace.clock import Clock

__all__ = ["OpenAiProvider"]

_OFFICIAL_HOST = "api.openai.com"


class OpenAiProvider:
    """A `Provider` over the `openai` SDK; `spec.api` says which of the two formats."""

    def __init__(self, spec: ProviderSpec, *, http_client: HttpClientFactory, clock: Clock) -> None:
        self._spec = spec
        self._is_official = _is_official(spec)
        self._sdk = Sdk(
            spec,
            module="openai",
            extra="openai",
            build=_build,
            http_client=http_client,
            clock=clock,
        )

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Provider.stream`."""
        model = self._spec.model(request.model)
        decoder: EventDecoder
        if self._spec.api is Api.OPENAI_RESPONSES:
            path, body = "/responses", responses_body(request, model)
            decoder = ResponsesDecoder(self._spec.secrets())
        else:
            path = "/chat/completions"
            body = chat_body(request, model, is_official=self._is_official)
            decoder = ChatDecoder(self._spec.secrets())

        async def open_request() -> Opened[bytes]:
            return await self._sdk.post(path, body, model.headers)

        return relay(
            open_request,
            SseStream(decoder),
            deadlines=self._spec.deadlines,
            silence_s=request.timeout_s,
            explain=self._sdk.explain,
            prepare=self._sdk.client,
        )

    async def embed(self, request: EmbedRequest) -> Embedded:
        """See `Embeds.embed`."""
        await self._sdk.client()
        headers = self._spec.model(request.model).headers
        try:
            async with asyncio.timeout(request.timeout_s):
                opened = await self._sdk.post("/embeddings", embeddings_body(request), headers)
                try:
                    data = await whole(opened.pieces)
                finally:
                    await opened.close()
        except ProviderError:
            raise
        except TimeoutError:
            text = (
                f"The server of {self._spec.name} made no vectors within {request.timeout_s:g} s."
            )
            raise ProviderError(ProviderFault.UNREACHABLE, text) from None
        except Exception as error:
            raise self._sdk.explain(error) from error
        return read_embeddings(data, request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sdk.aclose()


def _is_official(spec: ProviderSpec) -> bool:
    return spec.base_url is None or urlsplit(spec.base_url).hostname == _OFFICIAL_HOST


def _build(sdk: ModuleType, spec: ProviderSpec, http: Any) -> Any:
    absent = sdk.Omit()
    headers: dict[str, Any] = {}
    if not _is_official(spec):
        # The SDK reads these from the environment; they are none of another vendor's business.
        headers |= {"OpenAI-Organization": absent, "OpenAI-Project": absent}
    return sdk.AsyncOpenAI(
        api_key=spec.api_key or "none",
        base_url=spec.base_url or f"https://{_OFFICIAL_HOST}/v1",
        default_headers={**headers, **spec.headers},
        timeout=sdk.Timeout(None, connect=spec.deadlines.connect_s),
        max_retries=0,
        http_client=http,
    )
