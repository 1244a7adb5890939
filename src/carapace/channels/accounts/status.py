"""How the accounts are, and how `channels.status` says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from carapace.channels.types import ChannelInfo
from carapace.protocol.channels import ChannelsStatus
from carapace.value import Value

__all__ = ["AccountStatus", "ChannelHealth", "channel_health", "channels_status"]


@dataclass(slots=True, kw_only=True)
class AccountStatus:
    """One account as it is now. Times are in milliseconds since 1970, None for never.

    Attributes:
        is_configured: What it needs is in the configuration.
        is_enabled: It is meant to run.
        is_running: It runs.
        last_error: Why it does not run, or cannot send now; for people.
        failed_starts: How often it was tried in vain since it ran last.
        base_url: Where its service is, if the configuration says so; no path, no credential.
        dm_policy: Who may write to it directly, as configured.
        allow_from: Their ids, where the configuration lists them.
        last_probe_at_ms: When its service was last asked whether it takes our credentials.
        probe: What came of it: `ok`, `elapsedMs`, and `error` or what the service told.
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
    failed_starts: int = 0
    base_url: str | None = None
    last_inbound_at_ms: int | None = None
    last_outbound_at_ms: int | None = None
    dm_policy: str = "pairing"
    allow_from: tuple[str | int, ...] | None = None
    last_probe_at_ms: int | None = None
    probe: dict[str, Any] | None = None

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
            **({} if self.probe is None else {"probe": self.probe}),
            "lastProbeAt": self.last_probe_at_ms,
        }

    def as_channel(self) -> dict[str, Any]:
        """The summary with what the macOS app's decoders of some channels insist on.

        What runs was let in by its service, which is all that is known here of a link.
        """
        located = {} if self.base_url is None else {"baseUrl": self.base_url}
        return {
            **self.as_summary(),
            "linked": self.is_running,
            "connected": self.is_running,
            "reconnectAttempts": self.failed_starts,
            **located,
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
            **({} if self.allow_from is None else {"allowFrom": list(self.allow_from)}),
            "lastInboundAt": self.last_inbound_at_ms,
            "lastOutboundAt": self.last_outbound_at_ms,
        }


def channels_status(
    infos: Iterable[ChannelInfo], accounts: Sequence[AccountStatus], *, now_ms: int
) -> ChannelsStatus:
    """The answer of `channels.status`: channels with an account, in their order."""
    shown, listed = _listed(infos, accounts)
    labels = {info.id: info.label for info in shown}
    return ChannelsStatus(
        ts=now_ms,
        channel_order=list(labels),
        channel_labels=labels,
        channel_detail_labels={info.id: info.detail_label or info.label for info in shown},
        channel_system_images={
            info.id: info.system_image for info in shown if info.system_image is not None
        },
        channel_meta=[_meta(info) for info in shown],
        channels={name: listed[name][0].as_channel() for name in labels},
        channel_accounts={name: [one.as_row() for one in listed[name]] for name in labels},
        channel_default_account_id={name: listed[name][0].account for name in labels},
    )


class ChannelHealth(Value, frozen=True, kw_only=True):
    """A channel as `health` and `status` tell of it: its accounts, the default one first."""

    id: str
    label: str
    accounts: tuple[dict[str, Any], ...]

    def as_row(self) -> dict[str, Any]:
        """The default account's fields, and those of each by its name."""
        by_name = {str(one["accountId"]): one for one in self.accounts}
        return {**self.accounts[0], "accounts": by_name}

    def as_lines(self) -> list[str]:
        """For people: the channel, and each account of it."""
        is_configured = any(one["configured"] for one in self.accounts)
        first = f"{self.label}: {'configured' if is_configured else 'not configured'}"
        return [first, *(f"  - {_standing(one)}" for one in self.accounts)]


def channel_health(
    infos: Iterable[ChannelInfo], accounts: Sequence[AccountStatus]
) -> tuple[ChannelHealth, ...]:
    """The channels with an account, in their order."""
    shown, listed = _listed(infos, accounts)
    return tuple(
        ChannelHealth(
            id=info.id,
            label=info.label,
            accounts=tuple(
                {**one.as_summary(), "accountId": one.account} for one in listed[info.id]
            ),
        )
        for info in shown
    )


def _listed(
    infos: Iterable[ChannelInfo], accounts: Sequence[AccountStatus]
) -> tuple[list[ChannelInfo], dict[str, list[AccountStatus]]]:
    """Channels with an account that clients see, in their order, and those accounts."""
    listed: dict[str, list[AccountStatus]] = {}
    for one in accounts:
        if one.is_listed:
            listed.setdefault(one.channel, []).append(one)
    shown = sorted(
        (info for info in infos if info.id in listed), key=lambda info: (info.order, info.id)
    )
    return shown, listed


def _meta(info: ChannelInfo) -> dict[str, str]:
    shown = {"id": info.id, "label": info.label, "detailLabel": info.detail_label or info.label}
    return shown if info.system_image is None else {**shown, "systemImage": info.system_image}


def _standing(account: dict[str, Any]) -> str:
    state = "runs" if account["running"] else "does not run"
    return f"{account['accountId']} ({state})"
