"""Where the answer of a run goes besides the client that asked: `deliver` and its companions."""

from __future__ import annotations

from typing import Final

from carapace.channels.types import DEFAULT_ACCOUNT, ReplyRoute, Target
from carapace.errors import Failed, Refused
from carapace.ids import SessionKey
from carapace.methods.context import Context
from carapace.protocol.agent import AgentParams
from carapace.protocol.channels import channel_named
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.sessions.types import Route, SessionEntry
from carapace.value import Value

__all__ = ["Delivering", "check_channels", "delivering", "last_route"]

_OWN: Final = "webchat"
_LAST: Final = "last"
_LABEL_CHARS: Final = 200


class Delivering(Value, frozen=True):
    """Where an answer goes, and what the session keeps of that; None for nowhere else."""

    reply: ReplyRoute | None = None
    route: Route | None = None


def check_channels(ctx: Context, params: AgentParams) -> None:
    """Refuse a channel that nobody knows.

    Raises:
        Refused: With the Node gateway's words.
    """
    for name in (params.channel, params.reply_channel):
        if name and name.strip() and _channel_id(ctx, name) is None:
            raise Refused(f"invalid agent params: unknown channel: {name[:64]}")


async def delivering(ctx: Context, params: AgentParams, key: SessionKey) -> Delivering:
    """Where the answer of `agent` goes.

    Only with `deliver`, and only to somebody: named in the call, or the one the session was last
    used with (no channel, or `last`). The stock command line names a channel in every call, so a
    channel alone sends nothing anywhere.

    Raises:
        Failed: If the channel is not connected, as the Node gateway says it.
    """
    group = _group(params)
    if not params.deliver:
        return Delivering(route=group)
    entry = await ctx.services.sessions.get(key)
    named = _channel_id(ctx, params.reply_channel or params.channel or _LAST)
    to = params.reply_to or params.to
    account = params.reply_account_id or params.account_id
    if named in (None, _LAST):
        last = last_route(entry)
        if last is None:
            return Delivering(route=group)
        named, to = last.target.channel, to or last.target.conversation
        account = account or last.target.account
    if named == _OWN or not to:
        return Delivering(route=group)
    target = Target(
        channel=str(named),
        account=account or DEFAULT_ACCOUNT,
        conversation=to,
        thread_id=params.thread_id,
    )
    if ctx.services.accounts.get(target.channel, target.account) is None:
        raise Failed(f"Error: Outbound not configured for channel: {target.channel}")
    return Delivering(ReplyRoute(target=target), _route_to(target, group))


def last_route(entry: SessionEntry | None) -> ReplyRoute | None:
    """Where the session was last used on a chat service; None if it was on none."""
    last = entry.delivery if entry is not None else None
    if last is None or last.channel in (None, _OWN) or not last.to:
        return None
    target = Target(
        channel=str(last.channel),
        account=last.account_id or DEFAULT_ACCOUNT,
        conversation=last.to,
        thread_id=last.thread_id,
    )
    return ReplyRoute(target=target)


def _channel_id(ctx: Context, name: str) -> str | None:
    """The id of a channel by any of its names: one that is connected, or one that is known."""
    wanted = name.strip().lower()
    for info in ctx.services.accounts.infos():
        if wanted == info.id or wanted in info.aliases:
            return info.id
    return channel_named(name)


def _group(params: AgentParams) -> Route | None:
    """What a call says about the group it speaks for."""
    if not params.group_id:
        return None
    name = (params.group_channel or params.group_id)[:_LABEL_CHARS]
    origin = SessionOrigin(
        label=name,
        provider=params.channel,
        chat_type="group",
        to=params.group_id[:_LABEL_CHARS],
        account_id=params.account_id,
    )
    space = params.group_space[:_LABEL_CHARS] if params.group_space else None
    return Route(
        origin=origin,
        chat_type="group",
        display_name=f"{space}: {name}" if space else name,
        subject=name,
    )


def _route_to(target: Target, group: Route | None) -> Route:
    """What the session keeps, so that `last` finds it again."""
    known = group or Route()
    return Route(
        origin=known.origin,
        delivery=DeliveryContext(
            channel=target.channel,
            to=target.conversation,
            account_id=target.account,
            thread_id=target.thread_id,
        ),
        chat_type=known.chat_type,
        display_name=known.display_name,
        subject=known.subject,
        last_channel=target.channel,
        last_to=target.conversation,
        last_account_id=target.account,
    )
