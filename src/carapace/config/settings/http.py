"""`gateway.http.*`: the HTTP endpoints that programs written for OpenAI's API use."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import PositiveInt, Section, setting

__all__ = [
    "ChatCompletionsSettings",
    "EmbeddingsSettings",
    "FileLimits",
    "HttpEndpoints",
    "HttpSettings",
    "ImageLimits",
    "PdfLimits",
    "ResponsesSettings",
]

_MEBIBYTE = 1_048_576


class ImageLimits(Section, frozen=True):
    """Pictures in a request."""

    allow_url: Annotated[
        bool, setting("Fetch pictures from public https addresses that a request names.")
    ] = True
    max_bytes: Annotated[PositiveInt, setting("Longest picture, in bytes.")] = 10 * _MEBIBYTE


class PdfLimits(Section, frozen=True):
    """PDF documents in a request."""

    max_pages: Annotated[PositiveInt, setting("Pages that are read; the rest is left out.")] = 20


class FileLimits(Section, frozen=True):
    """Documents in a request."""

    allow_url: Annotated[
        bool, setting("Fetch documents from public https addresses that a request names.")
    ] = True
    max_bytes: Annotated[PositiveInt, setting("Longest document, in bytes.")] = 5 * _MEBIBYTE
    max_chars: Annotated[
        PositiveInt, setting("Characters of a document that the model is shown.")
    ] = 200_000
    pdf: Annotated[PdfLimits, setting("PDF documents.")] = msgspec.field(default_factory=PdfLimits)


class ChatCompletionsSettings(Section, frozen=True):
    """POST /v1/chat/completions, and GET /v1/models."""

    enabled: Annotated[bool, setting("Serve this endpoint.")] = False
    max_body_bytes: Annotated[PositiveInt, setting("Longest body accepted, in bytes.")] = _MEBIBYTE
    images: Annotated[ImageLimits, setting("Pictures in messages.")] = msgspec.field(
        default_factory=ImageLimits
    )


class ResponsesSettings(Section, frozen=True):
    """POST /v1/responses, and GET /v1/models."""

    enabled: Annotated[bool, setting("Serve this endpoint.")] = False
    max_body_bytes: Annotated[PositiveInt, setting("Longest body accepted, in bytes.")] = (
        20 * _MEBIBYTE
    )
    images: Annotated[ImageLimits, setting("Pictures in the input.")] = msgspec.field(
        default_factory=ImageLimits
    )
    files: Annotated[FileLimits, setting("Documents in the input.")] = msgspec.field(
        default_factory=FileLimits
    )


class EmbeddingsSettings(Section, frozen=True):
    """POST /v1/embeddings."""

    enabled: Annotated[bool, setting("Serve this endpoint.")] = False
    max_body_bytes: Annotated[PositiveInt, setting("Longest body accepted, in bytes.")] = (
        4 * _MEBIBYTE
    )


class HttpEndpoints(Section, frozen=True):
    """HTTP endpoints beside the WebSocket."""

    chat_completions: Annotated[ChatCompletionsSettings, setting("POST /v1/chat/completions.")] = (
        msgspec.field(default_factory=ChatCompletionsSettings)
    )
    responses: Annotated[ResponsesSettings, setting("POST /v1/responses.")] = msgspec.field(
        default_factory=ResponsesSettings
    )
    embeddings: Annotated[EmbeddingsSettings, setting("POST /v1/embeddings.")] = msgspec.field(
        default_factory=EmbeddingsSettings
    )


class HttpSettings(Section, frozen=True):
    """The HTTP side of the port."""

    endpoints: Annotated[HttpEndpoints, setting("Optional endpoints.")] = msgspec.field(
        default_factory=HttpEndpoints
    )
