"""Nodes on the wire: `node.*`, and the two methods that are forwarded to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "BrowserRequest",
    "NodeApprovalsGet",
    "NodeApprovalsSet",
    "NodeDecision",
    "NodeDescribe",
    "NodeDescription",
    "NodeErrorShape",
    "NodeEvent",
    "NodeEventTaken",
    "NodeFacts",
    "NodeInvoke",
    "NodeInvokeRequest",
    "NodeInvokeResult",
    "NodeInvoked",
    "NodeList",
    "NodePairApproved",
    "NodePairList",
    "NodePairRejected",
    "NodePairRequest",
    "NodePairRequestRow",
    "NodePairRequested",
    "NodePairVerified",
    "NodePairVerify",
    "NodeRename",
    "NodeRenamed",
    "NodeResultTaken",
    "NodeRow",
    "PairedNodeRow",
]

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Text = Annotated[str, Meta(min_length=1, max_length=256)]
_Names = Annotated[tuple[_Text, ...], Meta(max_length=256)]
_TimeoutMs = Annotated[int, Meta(ge=0, description="Milliseconds; 30 seconds without it.")]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class NodeFacts(_Out, kw_only=True):
    """What a node says about itself in the older list."""

    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    core_version: str | None = None
    ui_version: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    caps: tuple[str, ...] | None = None
    commands: tuple[str, ...] | None = None
    remote_ip: str | None = None


class NodePairRequest(_In, kw_only=True):
    """Params of `node.pair.request`.

    Attributes:
        silent: Taken and not believed: who asks does not say whether anybody is asked.
    """

    node_id: _Name
    display_name: _Text | None = None
    platform: _Text | None = None
    version: _Text | None = None
    core_version: _Text | None = None
    ui_version: _Text | None = None
    device_family: _Text | None = None
    model_identifier: _Text | None = None
    caps: _Names | None = None
    commands: _Names | None = None
    remote_ip: _Text | None = None
    silent: bool | None = None


class NodePairRequestRow(NodeFacts, kw_only=True):
    """A node that waits for approval; also the payload of `node.pair.requested`."""

    request_id: str
    node_id: str
    is_repair: bool
    ts: int


class PairedNodeRow(NodeFacts, kw_only=True):
    """An approved node of the older list; with its token only where it is given or was shown."""

    node_id: str
    token: str | None = None
    created_at_ms: int
    approved_at_ms: int


class NodePairRequested(_Out, kw_only=True):
    """The answer to `node.pair.request`; `created` is false for one that waited already."""

    status: Literal["pending"]
    request: NodePairRequestRow
    created: bool


class NodePairList(_Out, kw_only=True):
    """The answer to `node.pair.list`."""

    pending: list[NodePairRequestRow]
    paired: list[PairedNodeRow]


class NodePairApproved(_Out, kw_only=True):
    """The answer to `node.pair.approve`: the only time the token is told."""

    request_id: str
    node: PairedNodeRow


class NodePairRejected(_Out, kw_only=True):
    """The answer to `node.pair.reject`."""

    request_id: str
    node_id: str


class NodePairVerify(_In):
    """Params of `node.pair.verify`."""

    node_id: _Name
    token: Annotated[str, Meta(min_length=1, max_length=1024)]


class NodePairVerified(_Out, kw_only=True):
    """The answer to `node.pair.verify`."""

    ok: bool
    node: PairedNodeRow | None = None


class NodeDecision(_Out, kw_only=True):
    """Payload of `node.pair.resolved`."""

    request_id: str
    node_id: str
    decision: Literal["approved", "rejected"]
    ts: int


class NodeRename(_In):
    """Params of `node.rename`."""

    node_id: _Name
    display_name: _Text


class NodeRenamed(_Out, kw_only=True):
    """The answer to `node.rename`."""

    node_id: str
    display_name: str


class NodeRow(_Out, kw_only=True):
    """A node as `node.list` shows it.

    Attributes:
        commands: What it offers, was approved for and the policy lets through.
        connected_at_ms: Only while it is connected.
    """

    node_id: str
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    remote_ip: str | None = None
    caps: tuple[str, ...]
    commands: tuple[str, ...]
    permissions: Mapping[str, bool] | None = None
    connected_at_ms: int | None = None
    paired: bool
    connected: bool


class NodeList(_Out, kw_only=True):
    """The answer to `node.list`: connected ones first, then by name."""

    ts: int
    nodes: list[NodeRow]


class NodeDescribe(_In):
    """Params of `node.describe`."""

    node_id: _Name


class NodeDescription(NodeRow, kw_only=True):
    """The answer to `node.describe`."""

    ts: int


class NodeInvoke(_In, kw_only=True):
    """Params of `node.invoke`: run one command on one node.

    Attributes:
        params: For the command; passed on as JSON text.
        idempotency_key: The same key again gives the same answer and runs nothing twice.
    """

    node_id: _Name
    command: _Name
    params: Any = msgspec.UNSET
    timeout_ms: _TimeoutMs | None = None
    idempotency_key: _Name


class NodeInvoked(_Out, kw_only=True, omit_defaults=False):
    """The answer to `node.invoke`; `payload` is `payloadJSON` decoded, where a node sends that."""

    ok: bool
    node_id: str
    command: str
    payload: Any
    payload_json: str | None = msgspec.field(name="payloadJSON")


class NodeInvokeRequest(_Out, kw_only=True, omit_defaults=False):
    """Payload of `node.invoke.request`; only the node that is meant hears it."""

    id: str
    node_id: str
    command: str
    params_json: str | None = msgspec.field(name="paramsJSON")
    timeout_ms: int
    idempotency_key: str


class NodeErrorShape(_In):
    """What went wrong on a node, in its own words."""

    code: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    message: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None


class NodeInvokeResult(_In, kw_only=True):
    """Params of `node.invoke.result`: a node's answer to one `node.invoke.request`."""

    id: _Name
    node_id: _Name
    ok: bool
    payload: Any = None
    # The apps send null, and one release an object, where the text is meant.
    payload_json: Any = msgspec.field(name="payloadJSON", default=None)
    error: NodeErrorShape | None = None


class NodeResultTaken(_Out, kw_only=True):
    """The answer to `node.invoke.result`; `ignored` if nobody waits for it any more."""

    ok: bool
    ignored: bool = False


class NodeEvent(_In, kw_only=True):
    """Params of `node.event`: something happened on a node."""

    event: _Name
    payload: Any = None
    payload_json: str | None = msgspec.field(name="payloadJSON", default=None)


class NodeEventTaken(_Out, kw_only=True):
    """The answer to `node.event`."""

    ok: bool


class NodeApprovalsGet(_In):
    """Params of `exec.approvals.node.get`."""

    node_id: _Name


class NodeApprovalsSet(_In, kw_only=True):
    """Params of `exec.approvals.node.set`; the node checks `file` and `base_hash`."""

    node_id: _Name
    file: dict[str, Any]
    base_hash: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class BrowserRequest(_In, kw_only=True):
    """Params of `browser.request`: one request to the browser control of a node."""

    method: str = ""
    path: str = ""
    query: dict[str, Any] | None = None
    body: Any = None
    timeout_ms: _TimeoutMs | None = None
