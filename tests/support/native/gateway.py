"""Windows that show the gateway: models, channels, settings, status."""

from __future__ import annotations

from typing import Any

from support.native.frames import NativeStruct

__all__ = [
    "ChannelAccount",
    "ChannelsStatus",
    "ConfigGet",
    "ConfigIssue",
    "ConfigSchema",
    "ModelRow",
    "ModelsList",
    "StatusReport",
]


class ModelRow(NativeStruct, kw_only=True):
    id: str
    name: str
    provider: str
    context_window: int | None = None
    reasoning: bool | None = None


class ModelsList(NativeStruct):
    models: list[ModelRow]


class ChannelAccount(NativeStruct):
    account_id: str


class ChannelsStatus(NativeStruct, kw_only=True):
    ts: int
    channel_order: list[str]
    channel_labels: dict[str, str]
    channels: dict[str, dict[str, Any]]
    channel_accounts: dict[str, list[ChannelAccount]]
    channel_default_account_id: dict[str, str]


class ConfigIssue(NativeStruct):
    path: str
    message: str


class ConfigGet(NativeStruct, kw_only=True):
    config: dict[str, Any] | None = None
    hash: str | None = None
    raw: str | None = None
    valid: bool | None = None
    issues: list[ConfigIssue] | None = None


class ConfigSchema(NativeStruct, kw_only=True):
    schema: dict[str, Any]
    ui_hints: dict[str, dict[str, Any]]


class StatusReport(NativeStruct, kw_only=True):
    """Shown as it is; only that it is an object matters."""

    sessions: dict[str, Any]
