"""Where the hooks for messages meet the rooms that move messages."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.channels.outbox.attempt import Cancelled
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import Dead, Delivered, InboundMessage, Outgoing, SendOutcome
from carapace.hooks.bus import HookBus
from carapace.hooks.points import (
    MESSAGE_RECEIVED,
    MESSAGE_SENDING,
    MESSAGE_SENT,
    MessageReceived,
    MessageSending,
    MessageSent,
)
from carapace.provenance import Provenance

__all__ = ["ChatHooks"]


class ChatHooks:
    """Calls the handlers of messages in and out.

    Args:
        bus: Who listens.
    """

    def __init__(self, bus: HookBus) -> None:
        self._bus = bus

    @property
    def screens(self) -> bool:
        """Whether anybody may change or stop what goes out."""
        return MESSAGE_SENDING in self._bus.heard

    def received(self, message: InboundMessage, provenance: Provenance) -> None:
        """A message was accepted (`carapace.channels.intake.OnReceived`)."""
        self._bus.tell(
            MESSAGE_RECEIVED,
            MessageReceived(
                channel=message.channel,
                account=message.account,
                conversation=message.conversation.id,
                message_id=message.message_id,
                sender_id=message.sender.id,
                text=message.text,
                n_media=len(message.media),
                provenance=provenance,
            ),
        )

    async def sending(self, row: OutboxRow, outgoing: Outgoing) -> Outgoing | Cancelled:
        """A message is about to go (`carapace.channels.attempt.BeforeSend`)."""
        seen = MessageSending(
            channel=row.channel,
            account=row.account,
            conversation=row.conversation,
            text=outgoing.text,
            attempt=outgoing.attempt,
        )
        left = await self._bus.change(MESSAGE_SENDING, seen)
        if left.cancelled is not None:
            return Cancelled(reason=left.cancelled)
        return outgoing if left.text == outgoing.text else replace(outgoing, text=left.text)

    async def sent(self, row: OutboxRow, outcome: SendOutcome) -> None:
        """An attempt has ended for good (`carapace.channels.sender.AfterSend`)."""
        if not isinstance(outcome, Delivered | Dead):
            return
        self._bus.tell(
            MESSAGE_SENT,
            MessageSent(
                channel=row.channel,
                account=row.account,
                conversation=row.conversation,
                text=row.outgoing.text if row.outgoing else "",
                is_delivered=isinstance(outcome, Delivered),
                message_id=outcome.message_id if isinstance(outcome, Delivered) else None,
                reason=outcome.reason if isinstance(outcome, Dead) else None,
            ),
        )
