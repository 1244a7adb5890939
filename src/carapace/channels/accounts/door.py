"""What stands between a running account and the house, and can be shut at once.

An account that is switched off takes and gives nothing more from that moment on, however long
its own code takes to end (row E18). And it speaks for nobody but itself: what it hands in must
bear its own name.
"""

from __future__ import annotations

from typing import Protocol

from carapace.channels.accounts.status import AccountStatus
from carapace.channels.ports import Account, Intake
from carapace.channels.types import (
    Delivered,
    InboundMessage,
    Outgoing,
    Receipt,
    RetryAfter,
    SendOutcome,
    Target,
)
from carapace.clock import Clock
from carapace.errors import Refused

__all__ = ["InboundDoor", "OutboundDoor", "Shut"]

_OFF = "the account is switched off"


class Shut(Protocol):
    """Whether the account may still do anything."""

    @property
    def is_open(self) -> bool:
        """False from the moment it was switched off."""
        ...


class InboundDoor:
    """What an account gets as its intake; `shut` is for its owner.

    Args:
        intake: The house's.
        status: Learns when something came in.
        clock: The time of that.
    """

    __slots__ = ("_clock", "_intake", "_status", "is_open")

    def __init__(self, intake: Intake, status: AccountStatus, clock: Clock) -> None:
        self._intake = intake
        self._status = status
        self._clock = clock
        self.is_open = True

    def shut(self) -> None:
        """Nothing passes from now on."""
        self.is_open = False

    async def receive(self, message: InboundMessage) -> Receipt:
        """As `Intake.receive`.

        Raises:
            Refused: If the account is switched off, or the message bears another's name.
            Failed: If it could not be written down.
        """
        if not self.is_open:
            raise Refused(
                f"The account {self._status.account} of {self._status.channel} is switched off. "
                "Switch it on in the configuration, then send again.",
                code="UNAVAILABLE",
            )
        if (message.channel, message.account) != (self._status.channel, self._status.account):
            raise Refused(
                f"The account {self._status.account} of {self._status.channel} handed in a "
                "message of another account. It was not taken: this is a fault of the channel."
            )
        self._status.last_inbound_at_ms = self._clock.now_ms()
        return await self._intake.receive(message)


class OutboundDoor:
    """What the house gets as the account: the same, until it is switched off.

    Args:
        account: What the channel opened.
        door: Whether it may still send.
        status: Learns when something was delivered.
        clock: The time of that.
    """

    __slots__ = ("_account", "_clock", "_door", "_status")

    def __init__(self, account: Account, door: Shut, status: AccountStatus, clock: Clock) -> None:
        self._account = account
        self._door = door
        self._status = status
        self._clock = clock

    def trouble(self) -> str | None:
        """Why it cannot send now, for people; None when it can."""
        return self._account.trouble() if self._door.is_open else _OFF

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        """As `Account.send`."""
        if not self._door.is_open:
            return RetryAfter(reason=_OFF)
        outcome = await self._account.send(outgoing)
        if isinstance(outcome, Delivered):
            self._status.last_outbound_at_ms = self._clock.now_ms()
        return outcome

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        """As `Account.look_up`."""
        return await self._account.look_up(outgoing) if self._door.is_open else None

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        """As `Account.set_typing`."""
        if self._door.is_open:
            await self._account.set_typing(target, is_on=is_on)

    async def aclose(self) -> None:
        """As `Account.aclose`."""
        await self._account.aclose()
