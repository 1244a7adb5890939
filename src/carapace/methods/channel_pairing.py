"""`channels.pairing.*`: who asks to be let in on a chat service, and the owner's word on it."""

from __future__ import annotations

from carapace.channels.access.types import Approver
from carapace.methods.context import Context
from carapace.protocol.channel_pairing import (
    AllowedSender,
    PairingApprove,
    PairingApproved,
    PairingList,
    PairingListing,
    PairingReject,
    PairingRejected,
    PairingRevoke,
    PairingRevoked,
    PendingSender,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.provenance import Authority

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("channels.pairing.list", scope=Scope.PAIRING)
async def pairing_list(ctx: Context, params: PairingList) -> PairingListing:
    """Who asks to be let in on a chat, and who was; codes are known to those who ask alone."""
    access = ctx.services.access
    return PairingListing(
        pending=[
            PendingSender(
                channel=one.channel,
                account_id=one.account,
                sender_id=one.sender_id,
                display_name=one.display_name,
                requested_at_ms=one.created_at_ms,
                expires_at_ms=one.expires_at_ms,
            )
            for one in await access.pending(params.channel)
        ],
        allowed=[
            AllowedSender(
                channel=one.channel,
                account_id=one.account,
                sender_id=one.sender_id,
                approved_at_ms=one.approved_at_ms,
                approved_by=one.approved_by,
            )
            for one in await access.allowed(params.channel)
        ],
    )


@METHODS.method("channels.pairing.approve", scope=Scope.PAIRING)
async def pairing_approve(ctx: Context, params: PairingApprove) -> PairingApproved:
    """Let somebody in by the code that they were told; they hear of it in their chat."""
    approved = await ctx.services.access.approve(
        params.channel, params.code, _approver(ctx), account=params.account_id
    )
    await ctx.services.intake.greet(approved)
    sender = approved.sender
    return PairingApproved(
        ok=True, channel=sender.channel, account_id=sender.account, sender_id=sender.sender_id
    )


@METHODS.method("channels.pairing.reject", scope=Scope.PAIRING)
async def pairing_reject(ctx: Context, params: PairingReject) -> PairingRejected:
    """Forget a request; its code is worthless from now on."""
    await ctx.services.access.reject(
        params.channel, params.code, _approver(ctx), account=params.account_id
    )
    return PairingRejected(ok=True)


@METHODS.method("channels.pairing.revoke", scope=Scope.PAIRING)
async def pairing_revoke(ctx: Context, params: PairingRevoke) -> PairingRevoked:
    """Make somebody a stranger again who was let in by a code."""
    done = await ctx.services.access.revoke(
        params.channel, params.sender_id, _approver(ctx), account=params.account_id
    )
    return PairingRevoked(ok=done)


def _approver(ctx: Context) -> Approver:
    """Whoever holds the scope of these methods speaks for the owner."""
    caller = ctx.caller
    return Approver(name=caller.device_id or caller.client_id, authority=Authority.OWNER)
