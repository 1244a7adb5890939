"""`config.get`, `config.schema`: the configuration as clients may see it, secrets hidden."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.config.schema import ConfigSchema
from carapace.config.snapshot import ConfigSnapshot
from carapace.methods.context import Context
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("config.get", scope=Scope.ADMIN, result=ConfigSnapshot)
def config_get(ctx: Context, params: EmptyParams) -> msgspec.Raw:  # noqa: ARG001 - row shape
    """The file, its hash, what is in use and what is wrong; secrets are replaced by a marker."""
    return ctx.services.config.payload()


@METHODS.method("config.schema", scope=Scope.ADMIN, result=ConfigSchema)
def config_schema(ctx: Context, params: EmptyParams) -> Any:  # noqa: ARG001 - row shape
    """JSON Schema of the settings with hints for forms."""
    return ctx.services.config_schema()
