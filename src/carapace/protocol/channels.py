"""Chat services: the names clients may use for them, and `channels.status`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

__all__ = ["ChannelsStatus", "ChannelsStatusParams", "channel_named"]

_ALIASES: Final = {"imsg": "imessage", "google-chat": "googlechat", "gchat": "googlechat"}
_NAMES: Final = frozenset(
    {
        "bluebubbles",
        "discord",
        "googlechat",
        "imessage",
        "last",
        "line",
        "matrix",
        "mattermost",
        "msteams",
        "nextcloud-talk",
        "nostr",
        "signal",
        "slack",
        "telegram",
        "tlon",
        "webchat",
        "webhook",
        "whatsapp",
        "zalo",
        "zalouser",
    }
)


def channel_named(name: str) -> str | None:
    """The channel a client means, whether it is connected or not; None if nobody knows it.

    The stock command line names a channel in every `agent` call (`whatsapp` if its user
    names none), so a known name is no promise that anything is sent there. `webchat` is the
    gateway itself, `last` the channel a session was last used on.
    """
    wanted = name.strip().lower()
    wanted = _ALIASES.get(wanted, wanted)
    return wanted if wanted in _NAMES else None


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
