"""A chat service that a plugin speaks to, as a channel of the house."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from carapace.channels.plugin.account import PluginAccount
from carapace.channels.plugin.inbound import inbound_message
from carapace.channels.plugin.wire import channel_info
from carapace.channels.ports import Intake
from carapace.channels.types import ChannelInfo, Receipt
from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.inbound_wire import InboundEvent
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said
from carapace.plugins.package.manifest import ChannelLook

__all__ = ["PluginChannel"]

_WELL: Final = frozenset({"starting", "running"})
_START_TIMEOUT_S: Final = 30.0


class PluginChannel:
    """Satisfies `carapace.channels.ports.Channel`; made by `describe`.

    Args:
        guest: The plugin.
        info: What it says its channel is and can.
        credentials: Names of settings that are secrets: the guest gets a handle for each.
    """

    def __init__(self, guest: Guest, info: ChannelInfo, *, credentials: frozenset[str]) -> None:
        self._guest = guest
        self._info = info
        self._credentials = credentials
        self._accounts: dict[str, PluginAccount] = {}

    @classmethod
    async def describe(
        cls, guest: Guest, *, credentials: frozenset[str], look: ChannelLook | None = None
    ) -> PluginChannel:
        """The channel of a plugin that was just started; `look` is what its manifest adds.

        Raises:
            Refused: If what it says about its channel makes no sense.
            Failed: If it could not be asked.
        """
        try:
            about = await guest.call("channel", "describe")
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            raise Failed(
                f"The plugin {guest.id} does not say what its channel is: {said(str(error))}."
            ) from error
        look = look or ChannelLook()
        info = msgspec.structs.replace(
            channel_info(about, guest.id),
            detail_label=look.detail_label,
            system_image=look.system_image,
        )
        return cls(guest, info, credentials=credentials)

    def __repr__(self) -> str:
        return f"<channel {self._info.id} of a plugin>"

    @property
    def info(self) -> ChannelInfo:
        """What it said when it was started."""
        return self._info

    async def open(
        self, account: str, settings: Mapping[str, Any], intake: Intake
    ) -> PluginAccount:
        """Start one account; its secrets stay here, the guest gets their handles.

        Raises:
            Refused: If the guest does not take the settings.
            Failed: If it could not be asked.
        """
        made = PluginAccount(
            account, self._guest, info=self._info, intake=intake, on_close=self._closed
        )
        shown = msgspec.json.encode(self._shown(account, settings)).decode()
        # Before the guest knows: what it hands in while it starts is for this account already.
        self._accounts[account] = made
        is_started = False
        try:
            await self._start(account, shown)
            is_started = True
        finally:
            if not is_started:
                self._closed(made)
        return made

    async def _start(self, account: str, shown: str) -> None:
        label = self._info.label
        try:
            await self._guest.call("channel", "start", account, shown, timeout_s=_START_TIMEOUT_S)
        except GuestError as error:
            raise Refused(
                f"The account {account} of {label} does not start: {said(error.message)}",
                retryable=error.retryable or None,
                retry_after_ms=error.retry_after_ms,
            ) from error
        except (GuestTrap, PluginUnavailable) as error:
            raise Failed(
                f"The account {account} of {label} does not start: {said(str(error))}"
            ) from error

    async def receive(self, event: InboundEvent) -> Receipt:
        """Take what the guest hands in; the capability `inbound` calls this.

        Raises:
            Refused: If the account does not run, or the message is not taken.
            Failed: If it could not be written down.
        """
        account = self._accounts.get(event.account)
        if account is None:
            raise Refused(
                f"{self._info.label} has no running account {said(event.account)!r}. Set it up "
                f"in channels.{self._info.id}, or switch it on.",
                code="UNAVAILABLE",
                retryable=True,
            )
        return await account.intake.receive(inbound_message(self._info.id, event))

    def report(self, account: str, state: str, detail: str) -> None:
        """How the guest says an account is; the capability `status` calls this.

        Args:
            account: Its name; an unknown one is ignored.
            state: One of `starting`, `running`, `degraded`, `stopped`.
            detail: For people.
        """
        found = self._accounts.get(account)
        if found is not None:
            found.report(None if state in _WELL else said(detail) or f"it is {said(state)}")

    def _shown(self, account: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings with a handle in the place of each secret."""
        return {
            name: f"{account}/{name}" if name in self._credentials else value
            for name, value in settings.items()
        }

    def _closed(self, account: PluginAccount) -> None:
        if self._accounts.get(account.name) is account:
            del self._accounts[account.name]
