"""`node.*`: which nodes there are, asking them, and what they answer and tell."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from carapace.errors import Failed, Refused
from carapace.ids import DeviceId
from carapace.methods.context import Context
from carapace.nodes.types import NOT_CONNECTED, NodeFailure, Outcome
from carapace.protocol.devices import PairDecide
from carapace.protocol.nodes import (
    NodeDescribe,
    NodeDescription,
    NodeEvent,
    NodeEventTaken,
    NodeInvoke,
    NodeInvoked,
    NodeInvokeResult,
    NodeList,
    NodePairApproved,
    NodePairList,
    NodePairRejected,
    NodePairRequest,
    NodePairRequested,
    NodePairVerified,
    NodePairVerify,
    NodeRename,
    NodeRenamed,
    NodeResultTaken,
)
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Role, Scope

__all__ = ["METHODS", "failure_of"]

METHODS = Methods()
_FAILED: Final = "node invoke failed"


@METHODS.method("node.pair.request", scope=Scope.PAIRING)
async def node_pair_request(ctx: Context, params: NodePairRequest) -> NodePairRequested:
    """Ask for a node to be put on the older list of nodes."""
    return await ctx.services.nodes.pairing.request(params)


@METHODS.method("node.pair.list", scope=Scope.PAIRING)
async def node_pair_list(ctx: Context, params: EmptyParams) -> NodePairList:
    """The older list of nodes: those that wait and those that were approved."""
    del params
    return await ctx.services.nodes.pairing.page()


@METHODS.method("node.pair.approve", scope=Scope.PAIRING)
async def node_pair_approve(ctx: Context, params: PairDecide) -> NodePairApproved:
    """Approve a node of the older list; its token is told once, here."""
    return await ctx.services.nodes.pairing.approve(ctx.caller, params.request_id)


@METHODS.method("node.pair.reject", scope=Scope.PAIRING)
async def node_pair_reject(ctx: Context, params: PairDecide) -> NodePairRejected:
    """Turn a node of the older list away."""
    return await ctx.services.nodes.pairing.reject(params.request_id)


@METHODS.method("node.pair.verify", scope=Scope.PAIRING)
async def node_pair_verify(ctx: Context, params: NodePairVerify) -> NodePairVerified:
    """Whether that is the token of a node of the older list."""
    return await ctx.services.nodes.pairing.verify(params.node_id, params.token)


@METHODS.method("node.list", scope=Scope.READ)
async def node_list(ctx: Context, params: EmptyParams) -> NodeList:
    """List nodes, connected or not."""
    del params
    return await ctx.services.nodes.catalogue.all()


@METHODS.method("node.describe", scope=Scope.READ)
async def node_describe(ctx: Context, params: NodeDescribe) -> NodeDescription:
    """One node, with the commands it may be asked."""
    return await ctx.services.nodes.catalogue.one(params.node_id)


@METHODS.method("node.rename", scope=Scope.PAIRING)
async def node_rename(ctx: Context, params: NodeRename) -> NodeRenamed:
    """Call a node something else."""
    return await ctx.services.nodes.catalogue.rename(params.node_id, params.display_name)


@METHODS.method("node.invoke", scope=Scope.WRITE)
async def node_invoke(ctx: Context, params: NodeInvoke) -> NodeInvoked:
    """Run a command on a node and wait for its answer.

    Commands that run programs, change what a node may run, or change the profiles of a browser
    need an administrator, as the methods do that lead to the same.
    """
    outcome = await ctx.services.nodes.invoke(
        ctx.caller,
        params.node_id,
        params.command,
        params=params.params,
        timeout_ms=params.timeout_ms,
        key=params.idempotency_key,
    )
    if outcome.failure is NOT_CONNECTED:
        raise Failed("node not connected", details={"code": "NOT_CONNECTED"})
    if outcome.failure is not None:
        raise failure_of(outcome.failure)
    return NodeInvoked(
        ok=True,
        node_id=params.node_id,
        command=params.command,
        payload=outcome.payload,
        payload_json=outcome.payload_json,
    )


@METHODS.method("node.invoke.result", role=Role.NODE)
def node_invoke_result(ctx: Context, params: NodeInvokeResult) -> NodeResultTaken:
    """Answer a `node.invoke.request`; what comes too late is ignored."""
    _own_id(ctx, params.node_id)
    is_taken = ctx.services.nodes.answered(ctx.caller, params.id, _outcome(params))
    return NodeResultTaken(ok=True, ignored=not is_taken)


@METHODS.method("node.event", role=Role.NODE)
async def node_event(ctx: Context, params: NodeEvent) -> NodeEventTaken:
    """Tell what happened on a node; an event that means nothing here is ignored."""
    payload = _decoded(params.payload_json) if params.payload_json else params.payload
    await ctx.services.node_events.take(ctx.caller, params.event, payload)
    return NodeEventTaken(ok=True)


def failure_of(failure: NodeFailure) -> Failed:
    """What a caller is told of a failed call."""
    told = {"code": failure.code, "message": failure.message}
    return Failed(
        failure.message or _FAILED,
        details={"nodeError": {name: text for name, text in told.items() if text}},
    )


def _own_id(ctx: Context, node_id: str) -> DeviceId:
    """A node speaks for itself alone.

    Raises:
        Refused: If it is another's id.
    """
    if ctx.caller.device_id is None or ctx.caller.device_id != node_id:
        raise Refused("nodeId mismatch")
    return ctx.caller.device_id


def _outcome(params: NodeInvokeResult) -> Outcome:
    if not params.ok:
        error = params.error
        return Outcome(
            failure=NodeFailure(error.code if error else None, error.message if error else None)
        )
    if isinstance(params.payload_json, str) and params.payload_json.strip():
        return Outcome(_decoded(params.payload_json), params.payload_json)
    # One release of an app sends an object where the text is meant.
    return Outcome(params.payload if params.payload is not None else params.payload_json)


def _decoded(text: str) -> Any:
    """The value of a JSON text; a text that is none is handed on as it is."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"payloadJSON": text}
