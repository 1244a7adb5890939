"""A vendor's SDK behind one narrow door: import it late, post a body, read raw bytes.

The SDK makes the request (address, headers, authentication); what comes back is read raw
and parsed by our own decoders, which costs a tenth of the SDK's models a piece. Only the body
differs from one request to the next, so the head that the SDK made first is used again. Both
SDKs of the same generator (`openai`, `anthropic`) have the same shape and share this file.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import msgspec

from carapace.agent.providers.faults import clean, error_from_status, parse_retry_after
from carapace.agent.providers.ports import ProviderError, ProviderFault
from carapace.agent.providers.spec import HttpClientFactory, ProviderSpec
from carapace.agent.providers.streaming import Opened
from carapace.clock import Clock

__all__ = ["Sdk", "load_sdk", "require_key", "unreachable"]

# Asks the SDK for the response as it arrives, unparsed (its `with_streaming_response`).
_RAW = {"X-Stainless-Raw-Response": "stream"}
_OF_BODY = frozenset({b"content-length", b"transfer-encoding"})


async def load_sdk(name: str, extra: str) -> ModuleType:
    """Import a vendor's library in a thread; it takes up to a second.

    Raises:
        ProviderError: If it is not installed, with the command that installs it.
    """
    try:
        return await asyncio.to_thread(importlib.import_module, name)
    except ImportError as error:
        text = (
            f"The library for this provider ({name}) is not installed. "
            f"Run: pip install 'carapace-gateway[{extra}]'"
        )
        raise ProviderError(ProviderFault.BAD_REQUEST, text) from error


def require_key(spec: ProviderSpec) -> None:
    """A vendor's own address wants a key; a server of one's own may not.

    Raises:
        ProviderError: `AUTH`, with where to put the key.
    """
    if spec.base_url is None and not spec.api_key and not spec.headers:
        text = (
            f"There is no API key for {spec.name}. "
            f"Set models.providers.{spec.name}.apiKey in the config file."
        )
        raise ProviderError(ProviderFault.AUTH, text)


def unreachable(
    error: BaseException, base_url: str | None, secrets: tuple[str, ...]
) -> ProviderError:
    """The error for a server that could not be asked, with the innermost reason."""
    reason: BaseException = error
    while (deeper := reason.__cause__ or reason.__context__) is not None:
        reason = deeper
    host = urlsplit(base_url or "").netloc.rpartition("@")[2]
    where = f"the model server at {host}" if host else "the model server"
    said = clean(str(reason), secrets) or type(reason).__name__
    return ProviderError(ProviderFault.UNREACHABLE, f"Cannot reach {where}: {said}")


@dataclass(frozen=True, slots=True)
class _Head:
    """All of a request but its body, in the types of the HTTP library."""

    url: Any
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    extensions: Mapping[str, Any]


def _head_of(request: Any) -> _Head:
    kept = [(name, value) for name, value in request.headers.raw if name.lower() not in _OF_BODY]
    return _Head(request.url, kept, request.extensions)


class Sdk:
    """One client of one SDK, made at first use and kept for its connections.

    Args:
        spec: Of the provider.
        module: The SDK's import name.
        extra: Our extra that installs it.
        build: Makes the client from the module and our HTTP client; retries must be off.
        http_client: Makes the guarded HTTP client; this object closes it.
        clock: To measure `Retry-After` dates against.
    """

    __slots__ = (
        "_build",
        "_clock",
        "_extra",
        "_heads",
        "_http",
        "_http_client",
        "_lock",
        "_made",
        "_module",
        "_name",
        "_spec",
    )

    def __init__(
        self,
        spec: ProviderSpec,
        *,
        module: str,
        extra: str,
        build: Callable[[ModuleType, ProviderSpec, Any], Any],
        http_client: HttpClientFactory,
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._name = module
        self._extra = extra
        self._build = build
        self._http_client = http_client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._module: ModuleType | None = None
        self._made: Any = None
        self._http: Any = None
        self._heads: dict[tuple[str, ...], _Head] = {}

    async def client(self) -> Any:
        """The SDK's client.

        Raises:
            ProviderError: If the SDK is not installed, or a key is needed and there is none.
        """
        if self._made is None:
            async with self._lock:
                if self._made is None:
                    await self._make()
        return self._made

    async def _make(self) -> None:
        require_key(self._spec)
        self._module = await load_sdk(self._name, self._extra)
        self._http = self._http_client(self._spec)
        self._made = self._build(self._module, self._spec, self._http)

    async def post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Opened[bytes]:
        """Send `body` and return when the head of the answer is there."""
        client = await self.client()
        key = (path, *headers, *headers.values())
        head = self._heads.get(key)
        if head is not None:
            response = await self._send(head, body)
        else:
            options = {"headers": {**self._absent(), **headers, **_RAW}}
            raw = await client.post(path, cast_to=object, body=body, options=options)
            response = raw.http_response
            self._heads[key] = _head_of(response.request)
        return Opened(response.aiter_bytes(), response.aclose)

    async def _send(self, head: _Head, body: Mapping[str, Any]) -> Any:
        """The request again with another body."""
        request = self._http.build_request(
            "POST",
            head.url,
            headers=head.headers,
            content=msgspec.json.encode(body),
            extensions=dict(head.extensions),
        )
        response = await self._http.send(request, stream=True)
        if response.is_success:
            return response
        try:
            content = await response.aread()
        finally:
            await response.aclose()
        raise self._refusal(response, content)

    def _absent(self) -> dict[str, Any]:
        """Leaves out the credential of a server that wants none; the SDK insists on one."""
        has_own = any(name.lower() == "authorization" for name in self._spec.headers)
        if self._spec.api_key or has_own or self._module is None:
            return {}
        return {"Authorization": self._module.Omit()}

    def explain(self, error: Exception) -> ProviderError:
        """What an exception of the SDK or the network means."""
        secrets = self._spec.secrets()
        if self._module is not None and isinstance(error, self._module.APIStatusError):
            # The SDK's class is only known at run time; its fields are its documented surface.
            answer: Any = error
            return self._refusal(answer.response, answer.response.content)
        return unreachable(error, self._spec.base_url, secrets)

    def _refusal(self, response: Any, content: bytes) -> ProviderError:
        header = response.headers.get("retry-after")
        return error_from_status(
            response.status_code,
            content,
            retry_after_s=parse_retry_after(header, now=self._clock.now()),
            secrets=self._spec.secrets(),
        )

    async def aclose(self) -> None:
        """Close the connections; a later request would open new ones."""
        http, self._http, self._made = self._http, None, None
        if http is not None:
            await http.aclose()
