"""`channels.status`: which chat services are connected."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

__all__ = ["ChannelsStatus", "ChannelsStatusParams"]


class ChannelsStatusParams(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Params of `channels.status`."""

    probe: bool = False
    timeout_ms: Annotated[int, Meta(ge=0)] | None = None


class ChannelsStatus(msgspec.Struct, rename="camel"):
    """Maps are keyed by channel id; `channel_accounts` lists the accounts of each."""

    ts: int
    channel_order: list[str]
    channel_labels: dict[str, str]
    channel_detail_labels: dict[str, str]
    channel_system_images: dict[str, str]
    channel_meta: list[dict[str, Any]]
    channels: dict[str, Any]
    channel_accounts: dict[str, list[dict[str, Any]]]
    channel_default_account_id: dict[str, str]
