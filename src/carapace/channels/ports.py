"""What a channel gives the house, and what it gets: the one door for built-ins and plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from carapace.channels.types import (
    ChannelInfo,
    Delivered,
    InboundMessage,
    Outgoing,
    Receipt,
    SendOutcome,
    Target,
)

__all__ = ["Account", "Channel", "Intake"]


class Intake(Protocol):
    """Where a channel hands in what happened."""

    async def receive(self, message: InboundMessage) -> Receipt:
        """Decide about it and write it down; with the receipt the service may be told.

        The same (channel, account, message id) again gives `DUPLICATE` and nothing else.

        Raises:
            Refused: If the inbox is full; the service should try again later.
            Failed: If it could not be written down; likewise.
        """
        ...


class Account(Protocol):
    """One account of a channel that runs."""

    def trouble(self) -> str | None:
        """Why it cannot send now, for people; None when it can."""
        ...

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """Do what `outgoing` says, once.

        Never raises for what the service does: a refusal, a reset and a time-out are outcomes.
        Must end within the deadline that the sender puts around it; being cancelled means
        `Unknown`.
        """
        ...

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        """Whether that idempotency key arrived; only called if `ChannelInfo.can_look_up`."""
        ...

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """Show that an answer is being written; only called if `ChannelInfo.can_type`."""
        ...

    async def aclose(self) -> None:
        """Stop; nothing is received or sent after this."""
        ...


class Channel(Protocol):
    """A chat service that the house can speak to."""

    @property
    def info(self) -> ChannelInfo:
        """What it is and can."""
        ...

    async def open(self, account: str, settings: Mapping[str, Any], intake: Intake) -> Account:
        """Start one account; it may call `intake` from now on.

        Args:
            account: Its name in the configuration, `default` if there is only one.
            settings: What the configuration says about it, as the channel's own shape.
            intake: Takes what happens.

        Raises:
            Refused: If the settings are not enough; says which is missing.
        """
        ...
