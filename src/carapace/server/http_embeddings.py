"""`POST /v1/embeddings`, for programs that search by meaning with OpenAI's API."""

from __future__ import annotations

from typing import Final, Protocol

from aiohttp import web

from carapace.agent.providers.ports import Embedded, ProviderError, ProviderFault
from carapace.errors import Refused
from carapace.server.embeddings_wire import decode_request, embeddings_body
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import error_response, json_response, read_body

__all__ = ["EmbeddingRoutes", "TextVectors"]

_METHOD: Final = "agent"
"""The method whose scope a request needs: like a turn it spends the house's models."""
_BODY_DEADLINE_S: Final = 30.0
_MAX_AT_ONCE: Final = 8
_BUSY: Final = (
    f"{_MAX_AT_ONCE} requests for vectors are under way already: try again in a moment, and send "
    "more texts with one request"
)
_STATUS: Final = {ProviderFault.BAD_REQUEST: 400, ProviderFault.RATE_LIMIT: 429}


class TextVectors(Protocol):
    """Makes vectors (`carapace.agent.embeddings.Embeddings`)."""

    async def embed(
        self, model: str, texts: tuple[str, ...], *, dimensions: int | None = None
    ) -> Embedded:
        """One vector for each text.

        Raises:
            Refused: `NOT_FOUND` if there is no such model.
            Failed: If ours failed.
            ProviderError: If the provider's did.
        """
        ...


class EmbeddingRoutes:
    """The one endpoint.

    Args:
        vectors: Makes them.
        access: Judges the credential.
        max_body_bytes: Longest body.
    """

    def __init__(self, vectors: TextVectors, *, access: HttpAccess, max_body_bytes: int) -> None:
        self._vectors = vectors
        self._access = access
        self._max_body_bytes = max_body_bytes
        self._running = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/v1/embeddings", self.embed)

    async def embed(self, request: web.Request) -> web.Response:
        """Vectors of the texts in the body."""
        caller = await self._access.caller(request, _METHOD)
        if isinstance(caller, web.Response):
            return caller
        body = await read_body(request, max_bytes=self._max_body_bytes, deadline_s=_BODY_DEADLINE_S)
        asked = decode_request(body)
        if self._running >= _MAX_AT_ONCE:
            return error_response(429, _BUSY, retry_after_s=1.0)
        self._running += 1
        try:
            made = await self._vectors.embed(asked.model, asked.texts, dimensions=asked.dimensions)
        except Refused as error:
            return error_response(404 if error.code == "NOT_FOUND" else 400, error.message)
        except ProviderError as error:
            return _failed(error)
        finally:
            self._running -= 1
        return json_response(embeddings_body(made, is_base64=asked.is_base64))


def _failed(error: ProviderError) -> web.Response:
    status = _STATUS.get(error.fault, 502)
    return error_response(status, error.message, retry_after_s=error.retry_after_s)
