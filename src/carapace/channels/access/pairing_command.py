"""`/approve` and `/reject` typed in a chat: the same decision as on the command line."""

from __future__ import annotations

from typing import Protocol

from carapace.channels.access.pairing_texts import let_in_text, rejected_text, usage_text
from carapace.channels.access.records import PairingRequest
from carapace.channels.access.types import Approved, Approver, CommandAnswer
from carapace.channels.commands import ChatCommand, CommandName
from carapace.errors import Refused
from carapace.provenance import Provenance

__all__ = ["Decisions", "answer"]

_CODE, _CHANNEL_AND_CODE = 1, 2


class Decisions(Protocol):
    """Who settles requests: the access service."""

    async def approve(self, channel: str | None, code: str, approver: Approver) -> Approved:
        """Let in who was told `code`."""
        ...

    async def reject(self, channel: str | None, code: str, approver: Approver) -> PairingRequest:
        """Forget the request with `code`."""
        ...


async def answer(
    decisions: Decisions, command: ChatCommand, provenance: Provenance
) -> CommandAnswer:
    """Do what `command` says; never raises for what somebody typed.

    Args:
        decisions: Does it.
        command: `/approve CODE`, `/approve CHANNEL CODE`, or the same with `/reject`.
        provenance: Of the message; its authority is checked where the decision is made.
    """
    words = command.rest.split()
    is_approval = command.name is CommandName.APPROVE
    if not command.name.is_for_owners or len(words) not in {_CODE, _CHANNEL_AND_CODE}:
        return CommandAnswer(text=usage_text("approve" if is_approval else "reject"))
    channel = words[0].lower() if len(words) == _CHANNEL_AND_CODE else None
    approver = Approver(
        name=f"{provenance.channel}:{provenance.sender_id}", authority=provenance.authority
    )
    try:
        if is_approval:
            return _let_in(await decisions.approve(channel, words[-1], approver))
        rejected = await decisions.reject(channel, words[-1], approver)
    except Refused as refused:
        return CommandAnswer(text=refused.message)
    return CommandAnswer(text=rejected_text(rejected.channel, rejected.sender_id))


def _let_in(approved: Approved) -> CommandAnswer:
    sender = approved.sender
    return CommandAnswer(text=let_in_text(sender.channel, sender.sender_id), approved=approved)
