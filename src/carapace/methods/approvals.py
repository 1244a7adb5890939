"""`exec.approval.*` and `exec.approvals.*`: who may run which command, asked and told."""

from __future__ import annotations

from typing import Final, get_args

from carapace.errors import Refused
from carapace.methods.context import Context
from carapace.protocol.approvals import (
    ApprovalAnswer,
    ApprovalAsk,
    ApprovalDecision,
    ApprovalsReplace,
    ApprovalsSnapshot,
    ApprovalSubject,
    ResolveAnswer,
    ResolveApproval,
)
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()
_ON_A_NODE: Final = "node"
_DECISIONS: Final[dict[str, ApprovalDecision]] = {one: one for one in get_args(ApprovalDecision)}


@METHODS.method("exec.approvals.get", scope=Scope.ADMIN)
async def approvals_get(ctx: Context, params: EmptyParams) -> ApprovalsSnapshot:
    """Which commands agents may run without asking, and the hash to change that with."""
    del params
    return await ctx.services.approvals.snapshot()


@METHODS.method("exec.approvals.set", scope=Scope.ADMIN)
async def approvals_set(ctx: Context, params: ApprovalsReplace) -> ApprovalsSnapshot:
    """Replace the document of `exec.approvals.get`, if nobody changed it meanwhile."""
    book = ctx.services.approvals
    return await book.replace(params.file, params.base_hash, by=_name(ctx))


@METHODS.method("exec.approval.request", scope=Scope.APPROVALS)
async def approval_request(ctx: Context, params: ApprovalAsk) -> ApprovalAnswer:
    """Ask the operators about a command, and wait for their decision."""
    subject = ApprovalSubject(
        command=params.command,
        cwd=params.cwd,
        host=params.host,
        security=params.security,
        ask=params.ask,
        agent_id=params.agent_id,
        resolved_path=params.resolved_path,
        session_key=params.session_key,
    )
    pending = ctx.services.pending_approvals
    question = pending.open(subject, params.timeout_ms / 1000, params.id)
    answer = (await pending.wait(question)).answer
    if params.host == _ON_A_NODE and answer.decision in ("allow-once", "allow-always"):
        ctx.services.nodes.agreed(ctx.caller, subject, answer.decision)
    return answer


@METHODS.method("exec.approval.resolve", scope=Scope.APPROVALS)
async def approval_resolve(ctx: Context, params: ResolveApproval) -> ResolveAnswer:
    """Decide on a command that waits; the first decision counts."""
    decision = _DECISIONS.get(params.decision)
    if decision is None:
        raise Refused("invalid decision")
    ctx.services.pending_approvals.resolve(params.id, decision, _name(ctx))
    return ResolveAnswer(ok=True)


def _name(ctx: Context) -> str:
    client = ctx.call.client
    return (client.display_name if client else None) or ctx.caller.client_id
