"""How the accounts are, and how `channels.status` says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from carapace.channels.types import ChannelInfo
from carapace.protocol.channels import ChannelsStatus

__all__ = ["AccountStatus", "channels_status"]


@dataclass(slots=True, kw_only=True)
class AccountStatus:
    """One account as it is now. Times are in milliseconds since 1970, None for never.

    Attributes:
        is_configured: What it needs is in the configuration.
        is_enabled: It is meant to run.
        is_running: It runs.
        last_error: Why it does not run, or cannot send now; for people.
        dm_policy: Who may write to it directly, as configured.
    """

    channel: str
    account: str
    name: str | None = None
    is_configured: bool = False
    is_enabled: bool = False
    is_running: bool = False
    last_start_at_ms: int | None = None
    last_stop_at_ms: int | None = None
    last_error: str | None = None
    last_inbound_at_ms: int | None = None
    last_outbound_at_ms: int | None = None
    dm_policy: str = "pairing"

    @property
    def is_listed(self) -> bool:
        """Whether clients see it: an account that nobody set up is none."""
        return self.is_configured or self.is_enabled

    def as_summary(self) -> dict[str, Any]:
        """The channel's row, made of its first account."""
        return {
            "configured": self.is_configured,
            "running": self.is_running,
            "lastStartAt": self.last_start_at_ms,
            "lastStopAt": self.last_stop_at_ms,
            "lastError": self.last_error,
        }

    def as_row(self) -> dict[str, Any]:
        """The account's row."""
        named = {} if self.name is None else {"name": self.name}
        return {
            "accountId": self.account,
            **named,
            "enabled": self.is_enabled,
            **self.as_summary(),
            "dmPolicy": self.dm_policy,
            "lastInboundAt": self.last_inbound_at_ms,
            "lastOutboundAt": self.last_outbound_at_ms,
        }


def channels_status(
    infos: Iterable[ChannelInfo], accounts: Sequence[AccountStatus], *, now_ms: int
) -> ChannelsStatus:
    """The answer of `channels.status`: channels with an account, in their order."""
    listed: dict[str, list[AccountStatus]] = {}
    for one in accounts:
        if one.is_listed:
            listed.setdefault(one.channel, []).append(one)
    shown = sorted(
        (info for info in infos if info.id in listed), key=lambda info: (info.order, info.id)
    )
    labels = {info.id: info.label for info in shown}
    return ChannelsStatus(
        ts=now_ms,
        channel_order=list(labels),
        channel_labels=labels,
        channel_detail_labels=labels,
        channel_system_images={},
        channel_meta=[
            {"id": name, "label": label, "detailLabel": label} for name, label in labels.items()
        ],
        channels={name: listed[name][0].as_summary() for name in labels},
        channel_accounts={name: [one.as_row() for one in listed[name]] for name in labels},
        channel_default_account_id={name: listed[name][0].account for name in labels},
    )
