"""`message`: a text or a file to a conversation on a chat service; a reaction, an edit.

Where the agent speaks already it may speak again: in the conversation that it answers, and in
those of its other sessions. Anywhere else a person is asked first, as for everything that
reaches somebody new. What is sent is on disk before the model hears of it, and the same call of
the same run sends once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from carapace.agent.approval import ApprovalRequest, Decision, Risk, Ruling
from carapace.agent.tools.registry import ToolAnswer, ToolContext, Tools, ToolTrouble
from carapace.channels.outbox.service import OutboxDetail
from carapace.channels.outbox.types import Queued
from carapace.channels.types import DEFAULT_ACCOUNT, ChannelInfo, Outgoing, OutgoingKind, Target
from carapace.config.settings.session import SendPolicySettings
from carapace.protocol.sessions import SessionsList
from carapace.provenance import Provenance
from carapace.sessions.send_policy import require

__all__ = ["Accounts", "Ask", "MessageParams", "MessageTool", "Outbox"]

_TIMEOUT_S: Final = 330.0  # a person's answer, and the file
_OWN_CHAT: Final = "webchat"
_Name = Annotated[str, Meta(min_length=1, max_length=256)]

Ask = Callable[[ApprovalRequest], Awaitable[Ruling]]
"""Decides about one use; `carapace.agent.approval.Approvals.permit` is one."""


class MessageParams(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """Arguments of `message`."""

    action: Annotated[
        Literal["send", "react", "edit"],
        Meta(
            description="send a text or file; react with emoji to the message you answer, or to "
            "messageId; edit the text of messageId."
        ),
    ] = "send"
    channel: Annotated[_Name, Meta(description="Chat service; this one's without it.")] | None = (
        None
    )
    target: (
        Annotated[_Name, Meta(description="Id of the conversation; this one without it.")] | None
    ) = None
    account_id: Annotated[_Name, Meta(description="Which of our accounts there.")] | None = None
    thread_id: Annotated[_Name, Meta(description="Of the conversation.")] | None = None
    message: Annotated[str, Meta(max_length=20_000, description="The text.")] = ""
    media: Annotated[str, Meta(max_length=2_048, description="https address of a file.")] | None = (
        None
    )
    message_id: (
        Annotated[
            str,
            Meta(pattern=r"^[0-9]{1,18}$", description="A message you sent, as send called it."),
        ]
        | None
    ) = None
    emoji: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Accounts(Protocol):
    """Which services there are; `carapace.channels.accounts.service.Accounts` is one."""

    def infos(self) -> tuple[ChannelInfo, ...]:
        """All channels."""
        ...

    def get(self, channel_id: str, account: str) -> object | None:
        """The account, if it runs."""
        ...


class Outbox(Protocol):
    """Where messages go; `carapace.channels.outbox.service.Outbox` is one."""

    async def put(
        self,
        outgoing: Outgoing,
        *,
        provenance: Provenance,
        run_id: str | None = None,
        group: str | None = None,
    ) -> Queued:
        """Write it down; the same idempotency key again changes nothing."""
        ...

    async def get(self, outbox_id: int) -> OutboxDetail | None:
        """A message that was written down, as long as it is listed."""
        ...


class MessageTool:
    """Sends messages.

    Args:
        accounts: Which services there are.
        outbox: Where messages go.
        render: Text of an agent as the messages a target takes.
        fetch_file: Fetches a file for a target; its id in the media store.
        ask: Decides about conversations in which the agent does not speak yet.
        send_policy: Which sessions may send, as it is now.
    """

    def __init__(
        self,
        accounts: Accounts,
        outbox: Outbox,
        *,
        render: Callable[[str, Target], list[str]],
        fetch_file: Callable[[str, Target], Awaitable[str]],
        ask: Ask,
        send_policy: Callable[[], SendPolicySettings],
    ) -> None:
        self._accounts = accounts
        self._outbox = outbox
        self._render = render
        self._fetch_file = fetch_file
        self._ask = ask
        self._send_policy = send_policy

    def tools(self) -> Tools:
        """Its row for the registry."""
        rows = Tools()
        # WRITE for where it speaks already; `_permit` asks as for OUTSIDE everywhere else.
        rows.tool("message", risk=Risk.WRITE, timeout_s=_TIMEOUT_S)(self.act)
        return rows

    async def act(self, ctx: ToolContext, params: MessageParams) -> ToolAnswer:
        """Send a message to a chat: to the user elsewhere, or to somebody they name.

        Do not use it to answer: your answer reaches the conversation by itself. It also reacts to
        messages, and edits those you sent, where the chat service can.
        """
        channel = self._channel(ctx, params.channel)
        match params.action:
            case "send":
                return await self._send(ctx, channel, params)
            case "react":
                return await self._react(ctx, channel, params)
            case "edit":
                return await self._edit(ctx, channel, params)

    async def _react(
        self, ctx: ToolContext, channel: ChannelInfo, params: MessageParams
    ) -> ToolAnswer:
        if not channel.can_react:
            raise ToolTrouble(f"The channel {channel.id} has no reactions; say it in words.")
        if not (params.emoji or "").strip():
            raise ToolTrouble("Say with which emoji to react.")
        target = self._target(ctx, channel, params)
        await self._permit(ctx, target, params)
        if params.message_id is not None:
            about, target = await self._sent(target, params.message_id)
        elif ctx.answers is not None and _is_here(ctx.provenance, target):
            about = ctx.answers
        else:
            raise ToolTrouble("There is no message to react to here; name one you sent: messageId.")
        return await self._change(
            ctx,
            params,
            Outgoing(
                target=target,
                kind=OutgoingKind.REACTION,
                text=(params.emoji or "").strip(),
                about_message_id=about,
                idempotency_key=f"{_key(ctx, params)}/1",
            ),
        )

    async def _edit(
        self, ctx: ToolContext, channel: ChannelInfo, params: MessageParams
    ) -> ToolAnswer:
        if not channel.can_edit:
            raise ToolTrouble(f"The channel {channel.id} cannot edit; send another message.")
        if params.message_id is None:
            raise ToolTrouble("Say which message to edit: messageId, as send called it.")
        target = self._target(ctx, channel, params)
        await self._permit(ctx, target, params)
        about, target = await self._sent(target, params.message_id)
        texts = self._render(params.message, target)
        if len(texts) != 1:
            why = "longer than one message" if texts else "empty"
            raise ToolTrouble(f"The new text is {why}.")
        return await self._change(
            ctx,
            params,
            Outgoing(
                target=target,
                kind=OutgoingKind.EDIT,
                text=texts[0],
                about_message_id=about,
                idempotency_key=f"{_key(ctx, params)}/1",
            ),
        )

    async def _sent(self, target: Target, message_id: str) -> tuple[str, Target]:
        """The service's id of a message of ours in that conversation, and where it stands.

        Raises:
            ToolTrouble: If there is none, or it has not arrived.
        """
        detail = await self._outbox.get(int(message_id))
        row = detail.row if detail is not None else None
        sent = row.outgoing if row is not None else None
        is_ours = (
            sent is not None
            and sent.kind is OutgoingKind.MESSAGE
            and _place(sent.target) == _place(target)
        )
        if row is None or sent is None or not is_ours:
            raise ToolTrouble(f"You sent no message {message_id} to that conversation.")
        if row.message_id is None:
            raise ToolTrouble(
                f"Message {message_id} has not arrived, or the service gave it no name: it cannot "
                "be changed now."
            )
        return row.message_id, sent.target

    async def _change(
        self, ctx: ToolContext, params: MessageParams, outgoing: Outgoing
    ) -> ToolAnswer:
        """Write down a reaction or an edit."""
        queued = await self._outbox.put(
            outgoing,
            provenance=ctx.provenance,
            run_id=ctx.run_id,
            group=_key(ctx, params),
        )
        details = _details(params, outgoing.target, queued.outbox_id)
        return ToolAnswer(f"It is on its way to {outgoing.target.channel}.", details)

    async def _send(
        self, ctx: ToolContext, channel: ChannelInfo, params: MessageParams
    ) -> ToolAnswer:
        if params.media and not channel.can_media:
            raise ToolTrouble(f"The channel {channel.id} takes no files; send a link in the text.")
        target = self._target(ctx, channel, params)
        await self._permit(ctx, target, params)
        texts = self._render(params.message, target) or ([""] if params.media else [])
        if not texts:
            raise ToolTrouble("There is nothing to send: message is empty.")
        media = (await self._fetch_file(params.media, target),) if params.media else ()
        first = await self._put(ctx, target, texts, media, params)
        text = f"It is on its way to {target.channel}; its messageId is {first}."
        return ToolAnswer(text, _details(params, target, first))

    async def _put(
        self,
        ctx: ToolContext,
        target: Target,
        texts: list[str],
        media: tuple[str, ...],
        params: MessageParams,
    ) -> int:
        """The outbox's id of the first part."""
        group, ids = _key(ctx, params), list[int]()
        for number, text in enumerate(texts, start=1):
            outgoing = Outgoing(
                target=target,
                text=text,
                media=media if number == 1 else (),
                idempotency_key=f"{group}/{number}",
            )
            queued = await self._outbox.put(
                outgoing, provenance=ctx.provenance, run_id=ctx.run_id, group=group
            )
            ids.append(queued.outbox_id)
        return ids[0]

    def _channel(self, ctx: ToolContext, name: str | None) -> ChannelInfo:
        """The one that is meant; without a name this conversation's, or the only one."""
        infos = self._accounts.infos()
        wanted = (name or ctx.provenance.channel or "").strip().lower()
        others = [info for info in infos if info.id != _OWN_CHAT]
        if not wanted and len(others) == 1:
            return others[0]
        for info in infos:
            if wanted and (wanted == info.id or wanted in info.aliases):
                return info
        there = ", ".join(info.id for info in others) or "none"
        raise ToolTrouble(f"Say which channel; there is {there}.")

    def _target(self, ctx: ToolContext, channel: ChannelInfo, params: MessageParams) -> Target:
        words = ctx.provenance
        is_here = words.channel == channel.id
        account = params.account_id or (words.account if is_here else None) or DEFAULT_ACCOUNT
        conversation = params.target or (words.conversation if is_here else None)
        if conversation is None:
            raise ToolTrouble("Say which conversation: target is its id on that service.")
        if self._accounts.get(channel.id, account) is None:
            raise ToolTrouble(f"The account {account} of {channel.id} does not run.")
        return Target(
            channel=channel.id,
            account=account,
            conversation=conversation,
            thread_id=params.thread_id,
        )

    async def _permit(self, ctx: ToolContext, target: Target, params: MessageParams) -> None:
        """Nothing, if this session may send there.

        Raises:
            Refused: If the session may not send at all.
            ToolTrouble: If a person had to allow it, and did not.
        """
        entry = await ctx.sessions.get(ctx.session_key)
        if entry is not None:
            require(entry, self._send_policy())
        if ctx.is_direct or _is_here(ctx.provenance, target) or await _is_known(ctx, target):
            return
        ruling = await self._ask(
            ApprovalRequest(
                run_id=ctx.run_id,
                session_key=ctx.session_key,
                agent_id=ctx.agent_id,
                tool="message",
                arguments=msgspec.json.encode(params).decode(),
                risk=Risk.OUTSIDE,
                provenance=ctx.provenance,
            )
        )
        if ruling.decision is Decision.DENY:
            why = f" ({ruling.reason})" if ruling.reason else ""
            raise ToolTrouble(
                f"You do not speak in that conversation of {target.channel} yet, and it was not "
                f"allowed{why}. Tell the user."
            )


def _details(params: MessageParams, target: Target, outbox_id: int) -> dict[str, Any]:
    return {
        "ok": True,
        "action": params.action,
        "channel": target.channel,
        "to": target.conversation,
        "accountId": target.account,
        "messageId": str(outbox_id),
        "queued": True,
    }


def _place(target: Target) -> tuple[str, str, str]:
    return target.channel, target.account, target.conversation


def _is_here(words: Provenance, target: Target) -> bool:
    return (words.channel, words.account, words.conversation) == _place(target)


async def _is_known(ctx: ToolContext, target: Target) -> bool:
    """Whether a session of this agent was spoken to from there."""
    page = await ctx.sessions.page(SessionsList(agent_id=ctx.agent_id))
    return any(
        (row.last_channel, row.last_account_id or DEFAULT_ACCOUNT, row.last_to) == _place(target)
        for row in page.sessions
    )


def _key(ctx: ToolContext, params: MessageParams) -> str:
    """The same for the same call of the same run; ids that models give may come twice."""
    text = msgspec.json.encode([ctx.run_id, ctx.call_id, params])
    return f"message-{hashlib.sha256(text).hexdigest()[:32]}"
