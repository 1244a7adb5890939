"""`models.list`: which language models can be asked."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["ModelInfo", "ModelsList", "ModelsListParams"]


class ModelsListParams(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Params of `models.list`: none."""


class ModelInfo(msgspec.Struct, rename="camel", frozen=True):
    """One model; `context_window` is absent where nobody knows it."""

    id: str
    name: str
    provider: str
    context_window: int | msgspec.UnsetType = msgspec.UNSET
    reasoning: bool = False
    input: tuple[Literal["text", "image"], ...] = ("text",)


class ModelsList(msgspec.Struct, rename="camel", frozen=True):
    """Result of `models.list`, sorted by provider and name."""

    models: list[ModelInfo]
