"""Nodes: pairing, lists, invokes, and what they share."""

from __future__ import annotations

import msgspec

from support.native.frames import NativeStruct

__all__ = [
    "InvokeRequest",
    "NodeGranted",
    "NodeList",
    "NodePairList",
    "NodePairRequested",
    "NodePairResolved",
    "NodeRow",
    "PairedNode",
    "TalkMode",
    "VoiceWake",
]


class NodeRow(NativeStruct, kw_only=True):
    node_id: str
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    device_family: str | None = None
    model_identifier: str | None = None
    remote_ip: str | None = None
    caps: list[str] | None = None
    commands: list[str] | None = None
    permissions: dict[str, bool] | None = None
    paired: bool | None = None
    connected: bool | None = None


class NodeList(NativeStruct, kw_only=True):
    nodes: list[NodeRow]
    ts: int | None = None


class NodePairRequested(NativeStruct, kw_only=True):
    request_id: str
    node_id: str
    ts: int
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    remote_ip: str | None = None
    is_repair: bool | None = None
    silent: bool | None = None


class PairedNode(NativeStruct, kw_only=True):
    node_id: str
    approved_at_ms: int | None = None
    display_name: str | None = None
    platform: str | None = None
    version: str | None = None
    remote_ip: str | None = None


class NodePairList(NativeStruct):
    pending: list[NodePairRequested]
    paired: list[PairedNode]


class NodePairResolved(NativeStruct, kw_only=True):
    request_id: str
    node_id: str
    decision: str
    ts: int


class InvokeRequest(NativeStruct, kw_only=True):
    id: str
    node_id: str
    command: str
    params_json: str | None = msgspec.field(name="paramsJSON", default=None)
    timeout_ms: int | None = None
    idempotency_key: str | None = None


class VoiceWake(NativeStruct):
    triggers: list[str]


class TalkMode(NativeStruct, kw_only=True):
    enabled: bool
    phase: str | None = None
    ts: int | None = None


class NodeGranted(NativeStruct, kw_only=True):
    ok: bool
    ignored: bool | None = None
