"""What is known about one source of models before it is asked anything.

Built from settings, the environment and the catalogue by `registry`; the adapters read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from carapace.agent.pricing import Price
from carapace.agent.providers.streaming import Deadlines
from carapace.value import Value

__all__ = ["Api", "HttpClientFactory", "ModelSpec", "ProviderSpec"]


class Api(StrEnum):
    """The wire formats we speak, by the names config files use."""

    OPENAI_COMPLETIONS = "openai-completions"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GOOGLE_GENERATIVE_AI = "google-generative-ai"
    EMBEDDED = "embedded"


class ModelSpec(Value, frozen=True):
    """One model of a source.

    Attributes:
        id: The vendor's name.
        name: For people.
        reasoning: Whether it can think first; None where nobody said.
        takes_images: Whether pictures may be sent.
        context_tokens: What it can hold, None if unknown.
        max_tokens: Its longest answer, None if unknown.
        price: None if unknown.
        api: Wire format where it differs from that of its provider.
        headers: Sent with each request for this model.
    """

    id: str
    name: str
    reasoning: bool | None = None
    takes_images: bool = False
    context_tokens: int | None = None
    max_tokens: int | None = None
    price: Price | None = None
    api: Api | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One source of models.

    Attributes:
        name: As in `provider/model`.
        api: Its wire format.
        base_url: None is the vendor's own address.
        api_key: None where the server wants none.
        headers: Sent with each request.
        is_bearer: Send the key as `Authorization: Bearer` where the format would not.
        allow_private: As the setting of that name: None decides by `base_url` itself.
        models: What it offers, best first.
        deadlines: Of each request.
    """

    name: str
    api: Api
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    is_bearer: bool = False
    allow_private: bool | None = None
    models: tuple[ModelSpec, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)

    def model(self, model_id: str) -> ModelSpec:
        """What is known about `model_id`; little, if it is not listed."""
        for row in self.models:
            if row.id == model_id:
                return row
        return ModelSpec(id=model_id, name=model_id)

    def secrets(self) -> tuple[str, ...]:
        """What must never stand in a message: the key and header values long enough to matter."""
        found = [self.api_key or "", *self.headers.values()]
        for row in self.models:
            found += row.headers.values()
        return tuple(text for text in found if len(text) >= _SECRET_CHARS)


_SECRET_CHARS = 8

# Makes the guarded client for one provider. It is an `httpx2.AsyncClient`, the type the vendors'
# SDKs demand; only `carapace.net` may name that library, so here it stays `Any`.
HttpClientFactory = Callable[[ProviderSpec], Any]
