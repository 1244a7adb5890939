"""Vectors of texts for programs: by a configured provider, or by the model of the memory.

`provider/model` names a provider's model; one of our own names stands for the model that runs
here. A bare name of another vendor's model is refused: vectors of two models do not compare, so
another one must not answer in its place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import structs

from carapace.agent.memory.ports import Embedder, EmbedderTrouble, TroubleKind
from carapace.agent.providers.ports import Embedded, EmbedRequest, Embeds
from carapace.agent.providers.spec import ModelSpec
from carapace.errors import Failed, Refused
from carapace.protocol.connect import BRANDS

__all__ = ["LOCAL_MODEL", "MAX_LOCAL_CHARS", "EmbeddingModels", "Embeddings"]

LOCAL_MODEL: Final = "carapace"
MAX_LOCAL_CHARS: Final = 2_000
"""What the local model reads at once; more would be left out of the vector without a word."""

_BATCH: Final = 16
_CHARS_PER_TOKEN: Final = 4
_OWN: Final = frozenset({LOCAL_MODEL, *BRANDS})
_NAME_ONE: Final = "name a model as provider/model, of a provider that speaks OpenAI's format"
_INSTALL: Final = (
    'there is no model for vectors here: install one with pip install "carapace-gateway[memory]", '
    f"or {_NAME_ONE}"
)
_OFF: Final = f"the model for vectors is off (memory.vectors): set it to auto, or {_NAME_ONE}"


class EmbeddingModels(Protocol):
    """Where the providers come from; `ProviderRegistry` is one."""

    def embeds(self, model_ref: str) -> tuple[Embeds, ModelSpec] | None:
        """Who makes the vectors of `provider/model`; None if no provider has that name."""
        ...


class Embeddings:
    """Makes vectors.

    Args:
        models: The configured providers.
        local: The model that runs here.
        is_local_on: Whether that one may be used.
    """

    def __init__(
        self, models: EmbeddingModels, local: Embedder, *, is_local_on: Callable[[], bool]
    ) -> None:
        self._models = models
        self._local = local
        self._is_local_on = is_local_on

    async def embed(
        self, model: str, texts: Sequence[str], *, dimensions: int | None = None
    ) -> Embedded:
        """One vector for each text.

        Args:
            model: `provider/model`, or one of our own names for the model that runs here.
            texts: At least one, none of them blank.
            dimensions: Numbers in a vector; None is the model's own number.

        Raises:
            Refused: `NOT_FOUND` if there is no such model; else what the model cannot take.
            Failed: If the model that runs here failed.
            ProviderError: If the provider did.
        """
        if model.strip().lower() in _OWN:
            return await self._locally(texts, dimensions)
        found = self._models.embeds(model)
        if found is None:
            raise Refused(
                f"there is no model {model[:100]!r} for vectors: {_NAME_ONE}, or use "
                f"{LOCAL_MODEL!r} for the one that runs here",
                code="NOT_FOUND",
            )
        embeds, spec = found
        made = await embeds.embed(EmbedRequest(spec.id, tuple(texts), dimensions))
        return structs.replace(made, model=model.strip())

    async def _locally(self, texts: Sequence[str], dimensions: int | None) -> Embedded:
        if not self._is_local_on():
            raise Refused(_OFF, code="NOT_FOUND")
        self._check(texts, dimensions)
        made: list[bytes] = []
        try:
            # A little at a time, so that a search of the memory need not wait for long.
            for start in range(0, len(texts), _BATCH):
                made += await self._local.embed(texts[start : start + _BATCH])
        except EmbedderTrouble as trouble:
            if trouble.kind is TroubleKind.MISSING:
                raise Refused(_INSTALL, code="NOT_FOUND") from trouble
            retry_ms = round(trouble.retry_after_s * 1000) or None
            raise Failed(
                f"the model for vectors failed: {trouble}; try again", retry_after_ms=retry_ms
            ) from trouble
        layout = f"<{self._local.dims}e"
        return Embedded(
            model=f"{LOCAL_MODEL}/{self._local.model}",
            vectors=tuple(struct.unpack(layout, one) for one in made),
            tokens=sum(len(text) // _CHARS_PER_TOKEN + 1 for text in texts),
        )

    def _check(self, texts: Sequence[str], dimensions: int | None) -> None:
        own = self._local.dims
        if dimensions not in {None, own}:
            raise Refused(f"dimensions: this model's vectors have {own} numbers: leave it out")
        for at, text in enumerate(texts):
            if len(text) > MAX_LOCAL_CHARS:
                raise Refused(
                    f"input.{at}: this model reads at most {MAX_LOCAL_CHARS} characters at once: "
                    "send the text in pieces"
                )
