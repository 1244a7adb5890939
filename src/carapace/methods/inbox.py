"""`inbox.*`: messages that came in from chat services."""

from __future__ import annotations

from typing import Final

from carapace.channels.inbox.records import InboxQuery, InboxRow, InboxState
from carapace.methods.context import Context
from carapace.protocol.inbox import (
    InboxItem,
    InboxList,
    InboxListing,
    InboxReplay,
    InboxReplayed,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope

__all__ = ["METHODS"]

METHODS = Methods()
_EXCERPT_CHARS: Final = 200


@METHODS.method("inbox.list", scope=Scope.READ)
async def inbox_list(ctx: Context, params: InboxList) -> InboxListing:
    """List messages from chat services, newest first, with how many wait or were given up."""
    inbox = ctx.services.inbox
    rows = await inbox.page(
        InboxQuery(
            state=InboxState(params.state) if params.state else None,
            channel=params.channel,
            account=params.account_id,
            before_id=params.before_id,
            limit=params.limit,
        )
    )
    counts = await inbox.counts()
    return InboxListing(
        items=[_item(row) for row in rows],
        next_before_id=rows[-1].inbox_id if len(rows) == params.limit else None,
        waiting=counts.get(InboxState.WAITING, 0),
        working=counts.get(InboxState.WORKING, 0),
        dead=counts.get(InboxState.DEAD, 0),
    )


@METHODS.method("inbox.replay", scope=Scope.ADMIN)
async def inbox_replay(ctx: Context, params: InboxReplay) -> InboxReplayed:
    """Work once more on a message that was given up."""
    row = await ctx.services.inbox.replay(params.id)
    return InboxReplayed(ok=True, item=_item(row))


def _item(row: InboxRow) -> InboxItem:
    return InboxItem(
        id=row.inbox_id,
        channel=row.channel,
        account_id=row.account,
        conversation=row.conversation,
        message_id=row.message_id,
        state=row.state.value,
        text=row.message.text[:_EXCERPT_CHARS] if row.message else None,
        sender_id=row.sender_id,
        run_id=row.run_id,
        attempts=row.attempts,
        received_at_ms=row.received_at_ms,
        ended_at_ms=row.ended_at_ms,
        reason=row.reason,
    )
