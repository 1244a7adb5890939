"""Google's Gemini models, over plain HTTP.

Unlike the other vendors' there is no SDK here: Google's reads each piece of an answer into
models of its own and does not let go of the connection when a stream is closed early.
The format is one POST and server-sent events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import msgspec

from carapace.agent.providers.faults import error_from_status, parse_retry_after
from carapace.agent.providers.google_content import GoogleDecoder, google_body
from carapace.agent.providers.ports import ModelEvent, ModelRequest, ProviderError
from carapace.agent.providers.sdk import require_key, unreachable
from carapace.agent.providers.spec import HttpClientFactory, ProviderSpec
from carapace.agent.providers.streaming import Opened, SseStream, relay
from carapace.clock import Clock

__all__ = ["GoogleProvider"]

_OFFICIAL_URL = "https://generativelanguage.googleapis.com"
_VERSIONS = frozenset({"v1", "v1alpha", "v1beta"})
_HTTP_OK = 200


class GoogleProvider:
    """A `Provider` for the generateContent API."""

    def __init__(self, spec: ProviderSpec, *, http_client: HttpClientFactory, clock: Clock) -> None:
        self._spec = spec
        self._http_client = http_client
        self._clock = clock
        self._http: Any = None
        self._base_url = _versioned(spec.base_url or _OFFICIAL_URL)

    async def warm(self) -> None:
        """Make the client ahead of the first request.

        Raises:
            ProviderError: If there is no key.
        """
        if self._http is None:
            require_key(self._spec)
            self._http = self._http_client(self._spec)

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Provider.stream`."""
        model = self._spec.model(request.model)
        name = quote(request.model.removeprefix("models/"), safe="")
        url = f"{self._base_url}/models/{name}:streamGenerateContent?alt=sse"
        body = msgspec.json.encode(google_body(request, model))
        headers = {**self._headers(), **model.headers}

        async def open_request() -> Opened[bytes]:
            sent = self._http.build_request("POST", url, content=body, headers=headers)
            response = await self._http.send(sent, stream=True)
            if response.status_code != _HTTP_OK:
                raise await self._refused(response)
            return Opened(response.aiter_bytes(), response.aclose)

        return relay(
            open_request,
            SseStream(GoogleDecoder(self._spec.secrets())),
            deadlines=self._spec.deadlines,
            silence_s=request.timeout_s,
            explain=self._explain,
            prepare=self.warm,
        )

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._spec.api_key:
            key = self._spec.api_key
            bearer = {"Authorization": f"Bearer {key}"}
            headers |= bearer if self._spec.is_bearer else {"x-goog-api-key": key}
        return {**headers, **self._spec.headers}

    async def _refused(self, response: Any) -> ProviderError:
        try:
            body: bytes = await response.aread()
        finally:
            await response.aclose()
        wait = parse_retry_after(response.headers.get("retry-after"), now=self._clock.now())
        secrets = self._spec.secrets()
        return error_from_status(response.status_code, body, retry_after_s=wait, secrets=secrets)

    def _explain(self, error: Exception) -> ProviderError:
        return unreachable(error, self._base_url, self._spec.secrets())

    async def aclose(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


def _versioned(base_url: str) -> str:
    """The address with the API version at its end, which config files write or leave out."""
    base_url = base_url.rstrip("/")
    return base_url if base_url.rpartition("/")[2] in _VERSIONS else f"{base_url}/v1beta"
