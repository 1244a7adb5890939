"""`logs.tail`: the gateway's own log."""

from __future__ import annotations

from carapace.methods.context import Context
from carapace.protocol.logs import LogsTail, LogsTailParams
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("logs.tail", scope=Scope.READ)
def logs_tail(ctx: Context, params: LogsTailParams) -> LogsTail:
    """Lines since a cursor, or the newest ones."""
    return ctx.services.logs.tail(params.cursor, params.limit, params.max_bytes)
