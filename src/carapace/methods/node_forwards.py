"""Methods that a node answers: its own exec approvals, and its browser."""

from __future__ import annotations

from typing import Any, Final, cast

from carapace.errors import Failed, Refused
from carapace.methods.context import Context
from carapace.methods.nodes import failure_of
from carapace.nodes.service import BROWSER_COMMAND
from carapace.protocol.nodes import BrowserRequest, NodeApprovalsGet, NodeApprovalsSet
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()
_BROWSER_METHODS: Final = frozenset({"GET", "POST", "DELETE"})


@METHODS.method("exec.approvals.node.get", scope=Scope.ADMIN)
async def exec_approvals_node_get(ctx: Context, params: NodeApprovalsGet) -> Any:
    """What a node lets be run without asking, as the node says it."""
    return await _ask(ctx, params.node_id, "system.execApprovals.get", {})


@METHODS.method("exec.approvals.node.set", scope=Scope.ADMIN)
async def exec_approvals_node_set(ctx: Context, params: NodeApprovalsSet) -> Any:
    """Change what a node lets be run without asking; the node checks it."""
    asked: dict[str, Any] = {"file": params.file}
    if params.base_hash is not None:
        asked["baseHash"] = params.base_hash
    return await _ask(ctx, params.node_id, "system.execApprovals.set", asked)


@METHODS.method("browser.request", scope=Scope.WRITE, advertised=True)
async def browser_request(ctx: Context, params: BrowserRequest) -> Any:
    """One request to the browser control of a node that offers its browser.

    What changes the browser's profiles needs an administrator.
    """
    method, path = params.method.strip().upper(), params.path.strip()
    if not method or not path:
        raise Refused("method and path are required")
    if method not in _BROWSER_METHODS:
        raise Refused("method must be GET, POST, or DELETE")
    node_id = ctx.services.nodes.browser_node()
    if node_id is None:
        raise Failed("browser control is disabled")
    asked = {
        "method": method,
        "path": path,
        "query": params.query,
        "body": params.body,
        "timeoutMs": params.timeout_ms,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    answer = await _ask(ctx, node_id, BROWSER_COMMAND, given, timeout_ms=params.timeout_ms)
    fields = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    if "result" not in fields:
        raise Failed("browser proxy failed")
    return fields["result"]


async def _ask(
    ctx: Context, node_id: str, command: str, params: Any, *, timeout_ms: int | None = None
) -> Any:
    outcome = await ctx.services.nodes.invoke(
        ctx.caller, node_id, command, params=params, timeout_ms=timeout_ms
    )
    if outcome.failure is not None:
        raise failure_of(outcome.failure)
    return outcome.payload
