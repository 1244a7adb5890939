"""`outbox.*`, `send` and `poll`: messages on their way to chat services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from carapace.channels.outbox.types import OutboxQuery, OutboxRow, OutboxState
from carapace.channels.types import (
    DEFAULT_ACCOUNT,
    ChannelInfo,
    Outgoing,
    OutgoingKind,
    Poll,
    Target,
)
from carapace.errors import Failed, Refused
from carapace.methods.context import Context
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.guest import said
from carapace.protocol.outbox import (
    OutboxAttempt,
    OutboxChanged,
    OutboxDetail,
    OutboxDrop,
    OutboxGet,
    OutboxItem,
    OutboxList,
    OutboxListing,
    OutboxRetry,
    PollParams,
    SendParams,
    SendQueued,
)
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.provenance import OWNER
from carapace.sessions.send_policy import require

__all__ = ["METHODS"]

METHODS = Methods()
_EXCERPT_CHARS: Final = 200
_FETCH_TIMEOUT_S: Final = 180.0
"""For all files of a message; each has a deadline of its own as well."""
_MAX_TARGET_CHARS: Final = 256
_ASSUMED: Final = "whatsapp"
_DROPPED: Final = "dropped by an operator"


@METHODS.method("outbox.list", scope=Scope.READ)
async def outbox_list(ctx: Context, params: OutboxList) -> OutboxListing:
    """List messages to chat services, newest first, with how many wait or were given up."""
    outbox = ctx.services.outbox
    page = await outbox.page(
        OutboxQuery(
            state=OutboxState(params.state) if params.state else None,
            channel=params.channel,
            account=params.account_id,
            conversation=params.conversation,
            before_id=params.before_id,
            limit=params.limit,
        )
    )
    counts = await outbox.counts()
    return OutboxListing(
        items=[_item(row) for row in page.rows],
        next_before_id=page.next_before_id,
        waiting=counts.waiting,
        sending=counts.sending,
        unknown=counts.unknown,
        dead=counts.dead,
        oldest_at_ms=counts.oldest_at_ms,
    )


@METHODS.method("outbox.get", scope=Scope.READ)
async def outbox_get(ctx: Context, params: OutboxGet) -> OutboxDetail:
    """One message to a chat service, with every attempt to send it."""
    found = await ctx.services.outbox.get(params.id)
    if found is None:
        raise Refused(f"There is no message {params.id} in the outbox; see outbox.list.")
    return OutboxDetail(
        item=_item(found.row),
        attempts=[
            OutboxAttempt(
                attempt=one.attempt,
                started_at_ms=one.started_at_ms,
                ended_at_ms=one.ended_at_ms,
                outcome=one.outcome.value,
                reason=one.reason,
            )
            for one in found.attempts
        ],
    )


@METHODS.method("outbox.retry", scope=Scope.ADMIN)
async def outbox_retry(ctx: Context, params: OutboxRetry) -> OutboxChanged:
    """Send a waiting or given-up message now, with a new time to live."""
    return OutboxChanged(ok=True, item=_item(await ctx.services.outbox.retry(params.id)))


@METHODS.method("outbox.drop", scope=Scope.ADMIN)
async def outbox_drop(ctx: Context, params: OutboxDrop) -> OutboxChanged:
    """Give a waiting message up."""
    row = await ctx.services.outbox.drop(params.id, params.reason or _DROPPED)
    return OutboxChanged(ok=True, item=_item(row))


@METHODS.method("send", scope=Scope.WRITE)
async def send(ctx: Context, params: SendParams) -> SendQueued:
    """Put one message to a chat into the outbox, without the agent.

    Files are fetched from public https addresses before anything is put; they go out with the
    first part of the text.
    """
    channel = _channel(ctx, params.channel)
    urls = tuple(dict.fromkeys(one for one in (params.media_url, *params.media_urls) if one))
    if urls and not channel.can_media:
        raise Refused(f"The channel {channel.id} takes no files; send a link in the text.")
    if not urls and not params.message.strip():
        raise Refused("message required: there is nothing to send")
    target = await _target(ctx, channel, params)
    await _check_session(ctx, params.session_key)
    texts = ctx.services.render(params.message, target) or ([""] if urls else [])
    if not texts:
        raise Refused("message required: nothing of it is left to send")
    first = await _put(ctx, target, texts, urls, params.idempotency_key)
    return SendQueued(
        run_id=params.idempotency_key, message_id=str(first), channel=channel.id, queued=True
    )


@METHODS.method("poll", scope=Scope.ADMIN, advertised=False)
async def poll(ctx: Context, params: PollParams) -> SendQueued:
    """Put a question with answers to choose from into the outbox, without the agent."""
    channel = _channel(ctx, params.channel, kind="poll channel")
    if not channel.can_poll:
        raise Refused(f"unsupported poll channel: {channel.id}")
    if params.duration_hours is not None:
        raise Refused(f"The polls of {channel.id} do not end; leave durationHours out.")
    options = tuple(dict.fromkeys(one.strip() for one in params.options))
    if not params.question.strip() or "" in options or len(options) != len(params.options):
        raise Refused("A poll needs a question, and answers that are not blank and all different.")
    if params.max_selections > len(options):
        raise Refused(f"maxSelections is {params.max_selections}, but there are {len(options)}.")
    outgoing = Outgoing(
        target=await _target(ctx, channel, params),
        kind=OutgoingKind.POLL,
        text=params.question.strip(),
        poll=Poll(options=options, max_selections=params.max_selections),
        idempotency_key=f"poll-{params.idempotency_key}",
    )
    queued = await ctx.services.outbox.put(outgoing, provenance=OWNER)
    return SendQueued(
        run_id=params.idempotency_key,
        message_id=str(queued.outbox_id),
        channel=channel.id,
        queued=True,
    )


async def _target(ctx: Context, channel: ChannelInfo, params: SendParams | PollParams) -> Target:
    """Where it goes, as the service's own id; the account must run."""
    account = params.account_id or DEFAULT_ACCOUNT
    conversation = await _resolved(ctx, channel, account, params.to)
    if ctx.services.accounts.get(channel.id, account) is None:
        raise Refused(
            f"The account {account} of {channel.id} does not run; see channels.status.",
            code="UNAVAILABLE",
        )
    return Target(channel=channel.id, account=account, conversation=conversation)


async def _resolved(ctx: Context, channel: ChannelInfo, account: str, to: str) -> str:
    """A target as people write it, as the service's own id.

    What cannot be asked now is left as it is: the message waits in the outbox, and the channel
    looks at its target again.
    """
    try:
        guest = ctx.services.plugins.guest(channel.id, "channel")
        found = await guest.call("channel", "resolve", account, to)
    except GuestError as error:
        reason = said(error.message) or said(error.code)
        raise Refused(f"{to[:60]!r} is no target of {channel.label}: {reason}") from error
    except (Refused, GuestTrap, PluginUnavailable):
        return to
    return found if isinstance(found, str) and 0 < len(found) <= _MAX_TARGET_CHARS else to


async def _check_session(ctx: Context, session_key: str | None) -> None:
    """Refuse what is sent for a conversation that may not send."""
    entry = await ctx.services.sessions.get(session_key) if session_key else None
    if entry is not None:
        require(entry, ctx.services.policy().send_policy)


async def _put(
    ctx: Context, target: Target, texts: Sequence[str], urls: Sequence[str], key: str
) -> int:
    """Put the parts of a message; the outbox's id of the first."""
    outbox, group = ctx.services.outbox, f"send-{key}"
    is_known = bool(urls) and await outbox.find(f"{group}/1") is not None
    media = () if is_known else await _fetched(ctx, urls, target)
    ids: list[int] = []
    for number, text in enumerate(texts, start=1):
        outgoing = Outgoing(
            target=target,
            text=text,
            media=media if number == 1 else (),
            idempotency_key=f"{group}/{number}",
        )
        queued = await outbox.put(outgoing, provenance=OWNER, group=group)
        ids.append(queued.outbox_id)
    return ids[0]


async def _fetched(ctx: Context, urls: Sequence[str], target: Target) -> tuple[str, ...]:
    """The files at these addresses, in the media store."""
    try:
        async with asyncio.timeout(_FETCH_TIMEOUT_S):
            return tuple([await ctx.services.fetch_file(url, target) for url in urls])
    except TimeoutError:
        raise Failed(
            f"The files were not fetched within {_FETCH_TIMEOUT_S:.0f} seconds, so nothing is "
            "sent: send fewer or smaller ones, or try again later.",
            retryable=True,
        ) from None


def _channel(ctx: Context, name: str | None, *, kind: str = "channel") -> ChannelInfo:
    """The channel that is meant; without a name, the only one whose accounts are set up.

    Where none runs, the name that the Node gateway takes for granted is refused as it does.
    """
    infos = ctx.services.accounts.infos()
    if name is None:
        live = {one.channel for one in ctx.services.accounts.statuses() if one.is_listed}
        others = [info for info in infos if info.id in live - {"webchat"}]
        if len(others) == 1:
            return others[0]
        if others:
            raise Refused(f"channel required: one of {', '.join(sorted(live))}")
        name = _ASSUMED
    wanted = name.strip().lower()
    for info in infos:
        if wanted == info.id or wanted in info.aliases:
            return info
    known = [info.id for info in infos]
    raise Refused(f"unsupported {kind}: {wanted[:60]}", details={"channels": known})


def _item(row: OutboxRow) -> OutboxItem:
    outgoing = row.outgoing
    is_open = row.ended_at_ms is None
    return OutboxItem(
        id=row.outbox_id,
        channel=row.channel,
        account_id=row.account,
        conversation=row.conversation,
        state=row.state.value,
        kind=outgoing.kind.value if outgoing else None,
        text=outgoing.text[:_EXCERPT_CHARS] if outgoing else None,
        run_id=row.run_id,
        attempts=row.attempts,
        may_be_repeat=row.may_be_repeat,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        next_at_ms=row.next_at_ms if is_open else None,
        ended_at_ms=row.ended_at_ms,
        message_id=row.message_id,
        cause=row.cause.value if row.cause else None,
        reason=row.reason,
    )
