"""One account of a plugin's channel: what it is asked to send becomes calls into the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from carapace.channels.plugin.wire import (
    outcome_of,
    outgoing_record,
    poll_record,
    target_record,
)
from carapace.channels.ports import Intake
from carapace.channels.types import (
    ChannelInfo,
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)
from carapace.errors import Failed
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import Guest, said
from carapace.telemetry.log import get_logger

__all__ = ["PluginAccount"]

_STOP_TIMEOUT_S: Final = 1.5  # the house ends within ten seconds, whatever a guest does
_CLOSED: Final = "it is closed"
_log = get_logger(__name__)
_FUNCTIONS: Final = {
    OutgoingKind.EDIT: "edit",
    OutgoingKind.DELETE: "delete",
    OutgoingKind.REACTION: "react",
    OutgoingKind.POLL: "send-poll",
}


class PluginAccount:
    """Satisfies `carapace.channels.ports.Account`; made by `PluginChannel.open`.

    Args:
        name: Of the account.
        guest: The plugin.
        info: What its channel is and can.
        intake: Takes what happens.
        on_close: Told once that it is closed.

    Attributes:
        intake: Where the account's messages go.
    """

    def __init__(
        self,
        name: str,
        guest: Guest,
        *,
        info: ChannelInfo,
        intake: Intake,
        on_close: Callable[[PluginAccount], None],
    ) -> None:
        self.name = name
        self.intake = intake
        self._guest = guest
        self._info = info
        self._on_close = on_close
        self._is_closed = False
        self._said: str | None = None

    def __repr__(self) -> str:
        return f"<{self._info.id} account {self.name}>"

    def report(self, trouble: str | None) -> None:
        """What the guest says about the account; None while it is well."""
        self._said = trouble

    def trouble(self) -> str | None:
        """Why it cannot send now, for people; None when it can."""
        return _CLOSED if self._is_closed else self._guest.trouble() or self._said

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """Hand `outgoing` to the guest, once."""
        if self._is_closed:
            return RetryAfter(reason=_CLOSED)
        function = self._function(outgoing)
        if function is None:
            return Dead(reason=f"{self._info.label} has nothing for {_wanted(outgoing)}")
        more = [poll_record(outgoing)] if outgoing.kind is OutgoingKind.POLL else []
        try:
            answer = await self._guest.call("channel", function, outgoing_record(outgoing), *more)
        except GuestError as error:
            return _refused(error)
        except GuestTrap as trap:
            return Unknown(reason=f"the plugin {self._guest.id} ended early: {said(str(trap))}")
        except PluginUnavailable as error:
            return RetryAfter(reason=said(str(error)))
        return outcome_of(answer)

    def _function(self, outgoing: Outgoing) -> str | None:
        info = self._info
        if outgoing.kind is OutgoingKind.MESSAGE:
            if not outgoing.media:
                return "send-text"
            return "send-media" if info.can_media else None
        can = {
            OutgoingKind.EDIT: info.can_edit,
            OutgoingKind.DELETE: info.can_delete,
            OutgoingKind.REACTION: info.can_react,
            OutgoingKind.POLL: info.can_poll,
        }
        return _FUNCTIONS[outgoing.kind] if can[outgoing.kind] else None

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        """Ask the guest whether that key arrived.

        Raises:
            Failed: If it could not be asked: silence must not be taken for a no.
        """
        if not self._info.can_look_up:
            return None
        answer = await self._asked("look-up", outgoing_record(outgoing))
        return Delivered(message_id=answer) if isinstance(answer, str) else None

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """Tell the guest; what goes wrong is not worth more than a line in the log."""
        if self._is_closed or not self._info.can_type:
            return
        try:
            await self._asked("typing", target_record(target), is_on)
        except Failed as error:
            _log.debug("a plugin could not show typing", plugin=self._guest.id, why=error.message)

    async def aclose(self) -> None:
        """Stop; what the guest still hands in for this account is refused."""
        if self._is_closed:
            return
        self._is_closed = True
        self._on_close(self)
        try:
            await self._asked("stop", self.name, timeout_s=_STOP_TIMEOUT_S)
        except Failed as error:
            _log.warning(
                "a plugin did not stop an account in order",
                plugin=self._guest.id,
                account=self.name,
                why=error.message,
            )

    async def _asked(self, function: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        try:
            return await self._guest.call("channel", function, *arguments, timeout_s=timeout_s)
        except (GuestError, GuestTrap, PluginUnavailable) as error:
            raise Failed(said(str(error)), retryable=True) from error


def _wanted(outgoing: Outgoing) -> str:
    return "files" if outgoing.kind is OutgoingKind.MESSAGE else f"a {outgoing.kind.value}"


def _refused(error: GuestError) -> SendOutcome:
    """An error of the guest before it came to an outcome: it knows that nothing was sent."""
    reason = said(error.message) or said(error.code)
    if not error.retryable:
        return Dead(reason=reason)
    after_ms = error.retry_after_ms
    return RetryAfter(reason=reason, after_s=None if after_ms is None else after_ms / 1000)
