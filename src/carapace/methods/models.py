"""`models.list`: which language models can be asked."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.models import ModelsList, ModelsListParams
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("models.list", scope=Scope.READ)
def models_list(ctx: Context, params: ModelsListParams) -> ModelsList:  # noqa: ARG001 - row shape
    """All models of the configured providers, sorted by provider and name."""
    return ModelsList(models=list(ctx.services.models.catalogue()))
