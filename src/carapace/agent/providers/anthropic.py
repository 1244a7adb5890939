"""Anthropic, and servers that speak its messages format."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any

from carapace.agent.providers.anthropic_messages import MessagesDecoder, messages_body
from carapace.agent.providers.ports import ModelEvent, ModelRequest
from carapace.agent.providers.sdk import Sdk
from carapace.agent.providers.spec import HttpClientFactory, ProviderSpec
from carapace.agent.providers.streaming import Opened, SseStream, relay
from carapace.clock import Clock

__all__ = ["AnthropicProvider"]

_OFFICIAL_URL = "https://api.anthropic.com"


class AnthropicProvider:
    """A `Provider` over the `anthropic` SDK."""

    def __init__(self, spec: ProviderSpec, *, http_client: HttpClientFactory, clock: Clock) -> None:
        self._spec = spec
        self._sdk = Sdk(
            spec,
            module="anthropic",
            extra="anthropic",
            build=_build,
            http_client=http_client,
            clock=clock,
        )

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Provider.stream`."""
        model = self._spec.model(request.model)
        body = messages_body(request, model)

        async def open_request() -> Opened[bytes]:
            return await self._sdk.post("/v1/messages", body, model.headers)

        return relay(
            open_request,
            SseStream(MessagesDecoder(self._spec.secrets())),
            deadlines=self._spec.deadlines,
            silence_s=request.timeout_s,
            explain=self._sdk.explain,
            prepare=self._sdk.client,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sdk.aclose()


def _build(sdk: ModuleType, spec: ProviderSpec, http: Any) -> Any:
    # One explicit credential always goes in: without one the SDK searches the environment and
    # the home folder and would send what it finds to any address.
    key = spec.api_key or "none"
    headers: dict[str, Any] = {}
    if spec.base_url is not None and not spec.is_bearer:
        # The SDK sends a key as bearer, which the vendor takes; servers that imitate it
        # expect the header of the published format.
        headers["Authorization"] = sdk.Omit()
        if spec.api_key:
            headers["X-Api-Key"] = key
    base_url = (spec.base_url or _OFFICIAL_URL).rstrip("/").removesuffix("/v1")
    return sdk.AsyncAnthropic(
        **({"auth_token": key} if spec.is_bearer else {"api_key": key}),
        base_url=base_url,
        default_headers={**headers, **spec.headers},
        timeout=sdk.Timeout(None, connect=spec.deadlines.connect_s),
        max_retries=0,
        http_client=http,
    )
