"""The chat accounts of the house: which there are, which run, and how they are.

The configuration says which accounts are meant to run; this keeps them so, also while it
changes. What only concerns who may speak, or how texts are cut, restarts nothing: an account is
opened anew only if its channel's own settings changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from carapace.channels.accounts.settings import (
    Branch,
    account_names,
    account_settings,
    branches,
    has_credential,
)
from carapace.channels.accounts.slot import AccountSlot
from carapace.channels.accounts.status import (
    AccountStatus,
    ChannelHealth,
    channel_health,
    channels_status,
)
from carapace.channels.ports import Account, Channel, Intake
from carapace.channels.types import ChannelInfo
from carapace.clock import Clock
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelsSettings,
    PluginAccountSettings,
)
from carapace.protocol.channels import ChannelsStatus
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["Accounts"]

_log = get_logger(__name__)
_CLOSE_TIMEOUT_S: Final = 15.0
_ADDRESSES: Final = ("httpUrl", "baseUrl", "serverUrl")
_COMMON: Final = frozenset(AccountSettings.__struct_fields__)


class Accounts:
    """Opens and closes the configured accounts of all channels.

    Args:
        intake: Takes what happens at any of them.
        clock: The time.
        on_change: Told when an account begins or ends to run; the sender may have work then.
        unlisted: Channels that `channels.status` does not speak of: the gateway's own chat.
        luck: Random numbers of [0, 1) for the pauses after failures.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        clock: Clock,
        on_change: Callable[[], None],
        unlisted: frozenset[str] = frozenset(),
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._intake = intake
        self._clock = clock
        self._on_change = on_change
        self._unlisted = unlisted
        self._luck = luck
        self._tasks = Tasks("channels", _report)
        self._channels: dict[str, Channel] = {}
        self._slots: dict[tuple[str, str], AccountSlot] = {}
        self._settings = ChannelsSettings()

    def add(self, channel: Channel) -> None:
        """Know a channel from now on; its accounts are opened by the next `apply`.

        Raises:
            ValueError: If there is one of that id.
        """
        name = channel.info.id
        if name in self._channels:
            raise ValueError(f"channel {name} is added twice")
        self._channels[name] = channel

    async def remove(self, channel_id: str) -> None:
        """Forget a channel: its accounts are cut off at once, and have ended on return."""
        self._channels.pop(channel_id, None)
        gone = [self._slots.pop(key) for key in list(self._slots) if key[0] == channel_id]
        for slot in gone:
            slot.end()
        for slot in gone:
            await slot.ended()

    def apply(self, settings: ChannelsSettings) -> None:
        """Make the running accounts those that `settings` want; returns before they run.

        What is switched off, gone or changed is cut off before this returns.
        """
        self._settings = settings
        wanted = dict(self._wanted())
        for key in self._slots.keys() | wanted.keys():
            account = wanted.get(key)
            slot = self._slots.get(key) or self._begin(*key)
            slot.want(_describe(slot.status, account))

    def cut(self, channel_id: str, account: str) -> None:
        """Cut an account off at once, until `apply` wants it again."""
        slot = self._slots.get((channel_id, account))
        if slot is not None:
            slot.want(None)

    def get(self, channel_id: str, account: str) -> Account | None:
        """The account, if it runs."""
        slot = self._slots.get((channel_id, account))
        return None if slot is None else slot.account

    def info(self, channel_id: str) -> ChannelInfo | None:
        """What a channel is and can; None if there is no such channel."""
        channel = self._channels.get(channel_id)
        return None if channel is None else channel.info

    def infos(self) -> tuple[ChannelInfo, ...]:
        """All channels, in the order in which people are shown them."""
        found = [channel.info for channel in self._channels.values()]
        return tuple(sorted(found, key=lambda info: (info.order, info.id)))

    def statuses(self) -> tuple[AccountStatus, ...]:
        """How each account is; trouble with sending shows as its last error."""
        for slot in self._slots.values():
            account = slot.account
            if account is not None:
                slot.status.last_error = _trouble(account)
        return tuple(slot.status for slot in self._slots.values())

    def report(self) -> ChannelsStatus:
        """The answer of `channels.status`."""
        return channels_status(self.infos(), self.listed(), now_ms=self._clock.now_ms())

    def health(self) -> tuple[ChannelHealth, ...]:
        """The channels as `health` and `status` tell of them."""
        return channel_health(self.infos(), self.listed())

    def listed(self) -> tuple[AccountStatus, ...]:
        """How each account is that clients see."""
        return tuple(
            one for one in self.statuses() if one.is_listed and one.channel not in self._unlisted
        )

    def trouble(self) -> str | None:
        """Which accounts are meant to run and do not; a readiness check."""
        lines = [
            f"{one.channel} ({one.account}): {one.last_error or 'it is starting'}"
            for one in self.statuses()
            if one.is_enabled and (not one.is_running or one.last_error)
        ]
        return "; ".join(lines) or None

    async def aclose(self) -> None:
        """Cut all accounts off, wait until they have ended, and open none any more."""
        for slot in self._slots.values():
            slot.end()
        self._slots.clear()
        await self._tasks.drain(_CLOSE_TIMEOUT_S)
        await self._tasks.close()

    def _wanted(self) -> Iterator[tuple[tuple[str, str], AccountSettings]]:
        known: Mapping[str, Branch] = branches(self._settings)
        for channel_id in self._channels:
            branch = known.get(channel_id)
            for name in () if branch is None else account_names(branch):
                account = branch and account_settings(self._settings.defaults, branch, name)
                if account is not None:
                    yield (channel_id, name), account

    def _begin(self, channel_id: str, name: str) -> AccountSlot:
        slot = AccountSlot(
            self._channels[channel_id],
            name,
            intake=self._intake,
            clock=self._clock,
            tasks=self._tasks,
            on_change=self._on_change,
            luck=self._luck,
        )
        self._slots[channel_id, name] = slot
        self._tasks.start(slot.run(), name=f"{channel_id} {name}")
        return slot


def _describe(status: AccountStatus, account: AccountSettings | None) -> dict[str, Any] | None:
    """Keep what the configuration says; the settings to run with, None for not at all."""
    if account is None:
        status.name, status.is_configured, status.is_enabled = None, False, False
        return None
    status.name = account.name
    status.is_configured = is_set_up(account)
    status.is_enabled = status.is_configured if account.enabled is None else account.enabled
    status.dm_policy = account.dm_policy or "pairing"
    status.allow_from = account.allow_from
    own = own_settings(account)
    status.base_url = base_url(own)
    return own if status.is_enabled else None


def base_url(own: Mapping[str, Any]) -> str | None:
    """Where a service is: an address may hold credentials, so only its host is told."""
    values = (own.get(key) for key in _ADDRESSES)
    found = next((value for value in values if isinstance(value, str)), "")
    try:
        parts = urlsplit(found)
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme and host else None


def own_settings(account: AccountSettings) -> dict[str, Any]:
    """What only the channel itself knows the meaning of, as in the file; unset keys are left out.

    The name is among it: a service may show it. The proxy is not: it is the gateway's to use.
    """
    fields: list[tuple[str, str]] = list(
        zip(account.__struct_fields__, account.__struct_encode_fields__, strict=True)
    )
    found = {
        shown: msgspec.to_builtins(value)
        for field, shown in fields
        if (field not in _COMMON or field == "name")
        and field not in {"accounts", "own", "proxy"}
        and (value := getattr(account, field)) is not None
    }
    return {**(account.own or {}), **found} if isinstance(account, PluginAccountSettings) else found


def is_set_up(account: AccountSettings) -> bool:
    """Whether an account is set up: a credential is there, or its channel has none."""
    return not account.CREDENTIALS or has_credential(account)


def _trouble(account: Account) -> str | None:
    try:
        return account.trouble()
    except Exception as error:  # noqa: BLE001 - a channel may be a plugin's
        return f"it does not say how it is ({type(error).__name__})"


def _report(name: str, error: BaseException) -> None:
    _log.error("task of an account died", task=name, exc_info=error)
