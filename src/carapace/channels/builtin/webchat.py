"""The gateway's own chat as a channel: what is sent to it appears in a session's transcript.

Clients write to it over the WebSocket, as the owner, and need no intake. What comes here are
messages from elsewhere: a reminder, an answer to a webhook that shall be shown in the chat. The
conversation of a target is the key of the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from carapace.channels.builtin.ports import ShowInChat
from carapace.channels.ports import Intake
from carapace.channels.types import (
    ChannelInfo,
    ChatType,
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    SendOutcome,
    Target,
    Unknown,
)
from carapace.errors import GatewayError, Refused

__all__ = ["WEBCHAT_ID", "WebchatAccount", "WebchatChannel"]

WEBCHAT_ID: Final = "webchat"


class WebchatChannel:
    """Satisfies `carapace.channels.ports.Channel`.

    Args:
        show: Puts a message into a session.
    """

    def __init__(self, show: ShowInChat) -> None:
        self._show = show

    @property
    def info(self) -> ChannelInfo:
        """Its clients render Markdown with tables and show messages of any sensible length."""
        return ChannelInfo(
            id=WEBCHAT_ID,
            label="Chat",
            order=1,
            max_text=100_000,
            chat_types=frozenset({ChatType.DIRECT}),
            drops_repeats=True,
            markdown=True,
            tables=True,
        )

    async def open(
        self,
        account: str,
        settings: Mapping[str, Any],
        intake: Intake,  # noqa: ARG002 - its clients write over the WebSocket
    ) -> WebchatAccount:
        """Start the one account there can be.

        Raises:
            Refused: If a setting is one that it does not have.
        """
        unknown = sorted(settings.keys() - {"name"})
        if unknown:
            raise Refused(f"The account {account} of webchat has no {unknown[0]}. Take it out.")
        return WebchatAccount(self._show)


class WebchatAccount:
    """Satisfies `carapace.channels.ports.Account`."""

    def __init__(self, show: ShowInChat) -> None:
        self._show = show
        self._is_closed = False

    def trouble(self) -> str | None:
        """Why it cannot send now, for people; None when it can."""
        return "it is closed" if self._is_closed else None

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """Show `outgoing` in its session."""
        if self._is_closed:
            return RetryAfter(reason="it is closed")
        if outgoing.kind is not OutgoingKind.MESSAGE:
            return Dead(reason=f"the gateway's own chat cannot {outgoing.kind.value} a message")
        try:
            return Delivered(message_id=await self._show(outgoing))
        except GatewayError as error:
            return _outcome_of(error)

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:  # noqa: ARG002 - see below
        """Not needed: repeats are dropped by their key."""
        return None

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """Clients see the run itself; `ChannelInfo.can_type` says so."""

    async def aclose(self) -> None:
        """Show nothing more."""
        self._is_closed = True


def _outcome_of(error: GatewayError) -> SendOutcome:
    if error.retryable:
        after_ms = error.retry_after_ms
        return RetryAfter(
            reason=error.message, after_s=None if after_ms is None else after_ms / 1000
        )
    if isinstance(error, Refused):
        return Dead(reason=error.message)
    return Unknown(reason=error.message)
