"""A provider that can be replaced while others still use it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from carapace.agent.providers.ports import (
    Embedded,
    EmbedRequest,
    Embeds,
    ModelEvent,
    ModelRequest,
    Provider,
    ProviderError,
    ProviderFault,
)

__all__ = ["LeasedProvider"]


class LeasedProvider:
    """Counts running streams; closes the provider after the last, once it is retired."""

    __slots__ = ("_active", "_is_closed", "_is_retired", "provider")

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._active = 0
        self._is_retired = False
        self._is_closed = False

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Provider.stream`."""
        self._active += 1
        try:
            async with aclosing(self.provider.stream(request)) as events:
                async for event in events:
                    yield event
        finally:
            self._active -= 1
            await self._close_if_idle()

    async def embed(self, request: EmbedRequest) -> Embedded:
        """See `Embeds.embed`; refused if this provider makes no vectors."""
        if not isinstance(self.provider, Embeds):
            text = "This provider makes no vectors; those that speak OpenAI's format do."
            raise ProviderError(ProviderFault.BAD_REQUEST, text)
        self._active += 1
        try:
            return await self.provider.embed(request)
        finally:
            self._active -= 1
            await self._close_if_idle()

    async def retire(self) -> None:
        """Let go of it as soon as nobody uses it."""
        self._is_retired = True
        await self._close_if_idle()

    async def aclose(self) -> None:
        """Let go of it now."""
        self._is_closed = True
        await self.provider.aclose()

    async def _close_if_idle(self) -> None:
        if self._is_retired and not self._active and not self._is_closed:
            await self.aclose()
