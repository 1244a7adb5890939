"""Who may speak, and what their words may cause: the one authoriser of all chat services.

Pure: facts in, verdict out, for every kind of event alike (rows E01 to E05). It runs before
anything is fetched, written or answered. Only ids decide, byte for byte. An unknown kind of
chat has to pass the rules for direct chats and those for groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from carapace.channels.commands import ChatCommand, parse_command
from carapace.channels.mentions import NO_MENTIONS, MentionPatterns
from carapace.channels.rules import NOBODY, AccountRules
from carapace.channels.types import ChatType, Conversation, EventKind, InboundMessage, Quote
from carapace.provenance import Authority, Origin, Provenance
from carapace.value import Value

__all__ = [
    "IMPLICIT_MENTION_MS",
    "OWN_CHAT",
    "Accept",
    "Ask",
    "Buffer",
    "Drop",
    "DropReason",
    "PolicyFacts",
    "Verdict",
    "decide",
]

OWN_CHAT: Final = "webchat"
"""Our own chat: who writes there has proven to the gateway itself to be an operator."""

IMPLICIT_MENTION_MS: Final = 86_400_000
"""For how long an answer to one of our messages is meant for us."""

_ABOUT_OTHERS: Final = frozenset(
    {EventKind.DELETE, EventKind.REACTION, EventKind.PIN, EventKind.MEMBER}
)


class DropReason(StrEnum):
    """Why something is ignored; a closed set, also for metrics."""

    ACCOUNT_OFF = "account-off"
    NO_SENDER = "no-sender"
    BOT = "bot"
    DM_OFF = "dm-off"
    DM_SENDER = "dm-sender"
    GROUP_OFF = "group-off"
    GROUP = "group"
    GROUP_SENDER = "group-sender"
    COMMAND = "command"
    NOT_MEANT = "not-meant"


class PolicyFacts(Value, frozen=True, kw_only=True):
    """What the authoriser has to know about the account and the conversation.

    Attributes:
        rules: Of the account.
        paired: Ids let in by pairing at this account; they count in direct chats only (E02).
        owners: Ids of the owner on this channel.
        our_messages: Ids of what we sent to this conversation, with the time in milliseconds.
        mentions: The operator's patterns.
        activation: What the conversation itself says: `mention`, `always`, or nothing.
    """

    rules: AccountRules
    paired: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    our_messages: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])
    mentions: MentionPatterns = NO_MENTIONS
    activation: str | None = None
    takes_commands: bool = True
    uses_access_groups: bool = True


class Accept(Value, frozen=True, kw_only=True):
    """It is for the agent, or is a command of somebody who may use it.

    Attributes:
        message: Without quoted words of people who may not speak here (E12).
        provenance: What its words may cause.
        command: To be done instead of asking the model; if None, nobody downstream may take
            the text for a command.
        may_command: Whether its sender may use ordinary commands.
        is_mentioned: It is meant for us in so many words.
    """

    message: InboundMessage
    provenance: Provenance
    command: ChatCommand | None = None
    may_command: bool = False
    is_mentioned: bool = False

    @property
    def is_command(self) -> bool:
        """Whether there is a command to be done."""
        return self.command is not None


class Ask(Value, frozen=True):
    """A stranger in a direct chat: to be told how to be let in; the message is not kept."""


class Buffer(Value, frozen=True, kw_only=True):
    """Said in a group by somebody who may speak, but not to us: context for later."""

    message: InboundMessage
    provenance: Provenance


class Drop(Value, frozen=True):
    """To be ignored without a word."""

    reason: DropReason


Verdict = Accept | Ask | Buffer | Drop


class _Standing(Value, frozen=True):
    """Somebody who may speak in a conversation.

    Attributes:
        is_listed: By their own id, be it in the settings or by pairing.
    """

    authority: Authority
    is_listed: bool


def decide(message: InboundMessage, facts: PolicyFacts, *, now_ms: int) -> Verdict:
    """What becomes of `message`.

    Args:
        message: As the channel handed it in; its names and texts decide nothing here.
        facts: Of its account and conversation.
        now_ms: Time, for how long an answer to one of our messages counts as meant for us.
    """
    if (reason := _barred(message, facts.rules)) is not None:
        return Drop(reason)
    standing = _standing(message.channel, message.sender.id, message.conversation, facts)
    if isinstance(standing, DropReason):
        return Drop(standing)
    if isinstance(standing, Ask):
        is_message = message.kind is EventKind.MESSAGE
        return standing if is_message else Drop(DropReason.DM_SENDER)
    is_meant = _is_meant(message, facts, now_ms)
    command = _command(message, facts, is_meant=is_meant)
    if command is None:
        return _ordinary(message, standing, facts, is_meant=is_meant)
    if message.kind is not EventKind.MESSAGE or not _may(command, standing, facts):
        return Drop(DropReason.COMMAND)
    return _accept(message, standing, facts, command=command, is_meant=is_meant)


def _barred(message: InboundMessage, rules: AccountRules) -> DropReason | None:
    if not rules.is_enabled:
        return DropReason.ACCOUNT_OFF
    if not message.sender.id:
        return DropReason.NO_SENDER
    if message.sender.is_bot and not rules.allow_bots:
        return DropReason.BOT
    return None


def _standing(
    channel: str, sender_id: str, conversation: Conversation, facts: PolicyFacts
) -> _Standing | Ask | DropReason:
    """How `sender_id` stands in `conversation`."""
    if channel == OWN_CHAT:
        is_direct = conversation.chat_type is ChatType.DIRECT
        return _Standing(Authority.OWNER, True) if is_direct else DropReason.GROUP
    if conversation.chat_type is ChatType.DIRECT:
        return _direct(sender_id, facts)
    in_group = _group(sender_id, conversation, facts)
    if conversation.chat_type is not ChatType.UNKNOWN:
        return in_group
    return _strictest(_direct(sender_id, facts), in_group)


def _strictest(
    one: _Standing | Ask | DropReason, other: _Standing | DropReason
) -> _Standing | DropReason:
    """Of a chat that may be direct or a group: both have to let them in (E05)."""
    if isinstance(one, Ask):  # a code might be shown to a whole group
        return DropReason.DM_SENDER
    if isinstance(one, DropReason):
        return one
    if isinstance(other, DropReason):
        return other
    return _Standing(min(one.authority, other.authority), one.is_listed and other.is_listed)


def _direct(sender_id: str, facts: PolicyFacts) -> _Standing | Ask | DropReason:
    rules = facts.rules
    if rules.dm_policy == "disabled":
        return DropReason.DM_OFF
    if sender_id in facts.owners:
        return _Standing(Authority.OWNER, True)
    if rules.allow_from.names(sender_id) or sender_id in facts.paired:
        return _Standing(Authority.PAIRED, True)
    if rules.dm_policy == "open" and rules.allow_from.admits(sender_id):
        return _Standing(Authority.OUTSIDE, False)
    return Ask() if rules.dm_policy == "pairing" else DropReason.DM_SENDER


def _group(
    sender_id: str, conversation: Conversation, facts: PolicyFacts
) -> _Standing | DropReason:
    rules = facts.rules
    if rules.group_policy == "disabled":
        return DropReason.GROUP_OFF
    found = rules.group(conversation)
    if (found is None and rules.has_groups) or (found is not None and not found.is_enabled):
        return DropReason.GROUP
    if sender_id in facts.owners:
        return _Standing(Authority.OWNER, True)
    is_named = found is not None and found.is_named
    senders = found.senders if found is not None else None
    if senders is None and rules.group_policy == "allowlist":
        senders = rules.group_allow_from
        if senders is None and not is_named:
            senders = rules.allow_from.without_anyone()
    if senders is not None and not senders.admits(sender_id):
        return DropReason.GROUP_SENDER
    is_listed = (senders or rules.group_allow_from or NOBODY).names(sender_id)
    return _Standing(Authority.GUEST if is_named or is_listed else Authority.OUTSIDE, is_listed)


def _is_meant(message: InboundMessage, facts: PolicyFacts, now_ms: int) -> bool:
    is_direct = message.conversation.chat_type is ChatType.DIRECT
    if message.mentions_us or (not is_direct and facts.mentions.are_in(message.text)):
        return True
    answered = message.quote.message_id if message.quote is not None else None
    return any(_is_ours(one, facts, now_ms) for one in (answered, message.about_message_id))


def _is_ours(message_id: str | None, facts: PolicyFacts, now_ms: int) -> bool:
    sent_at_ms = facts.our_messages.get(message_id) if message_id else None
    return sent_at_ms is not None and now_ms - sent_at_ms < IMPLICIT_MENTION_MS


def _command(message: InboundMessage, facts: PolicyFacts, *, is_meant: bool) -> ChatCommand | None:
    command = parse_command(message.text) if facts.takes_commands else None
    is_direct = message.conversation.chat_type is ChatType.DIRECT
    if command is not None and command.is_bare and not is_direct and not is_meant:
        return None
    return command


def _may(command: ChatCommand, standing: _Standing, facts: PolicyFacts) -> bool:
    if command.name.is_for_owners:
        return standing.authority is Authority.OWNER
    return standing.is_listed or not facts.uses_access_groups


def _ordinary(
    message: InboundMessage, standing: _Standing, facts: PolicyFacts, *, is_meant: bool
) -> Verdict:
    is_direct = message.conversation.chat_type is ChatType.DIRECT
    if is_direct or is_meant or message.kind is EventKind.CALLBACK:
        return _accept(message, standing, facts, is_meant=is_meant)
    if message.kind in _ABOUT_OTHERS:
        return Drop(DropReason.NOT_MEANT)
    if not _needs_mention(message, facts):
        return _accept(message, standing, facts, is_meant=False)
    if message.kind is EventKind.EDIT:
        return Drop(DropReason.NOT_MEANT)
    cleaned = replace(message, quote=_quote(message, facts))
    return Buffer(message=cleaned, provenance=_provenance(message, standing))


def _needs_mention(message: InboundMessage, facts: PolicyFacts) -> bool:
    """Whether only what is meant for us counts; the conversation's own word comes first."""
    if facts.activation is not None:
        return facts.activation != "always"
    return facts.rules.needs_mention(message.conversation)


def _accept(
    message: InboundMessage,
    standing: _Standing,
    facts: PolicyFacts,
    *,
    command: ChatCommand | None = None,
    is_meant: bool,
) -> Accept:
    return Accept(
        message=replace(message, quote=_quote(message, facts)),
        provenance=_provenance(message, standing),
        command=command,
        may_command=standing.is_listed or not facts.uses_access_groups,
        is_mentioned=is_meant,
    )


def _quote(message: InboundMessage, facts: PolicyFacts) -> Quote | None:
    """The quote; its words only if they are ours or of somebody who may speak here."""
    quote = message.quote
    if quote is None or quote.text is None or quote.message_id in facts.our_messages:
        return quote
    if quote.sender_id:
        standing = _standing(message.channel, quote.sender_id, message.conversation, facts)
        if isinstance(standing, _Standing):
            return quote
    return replace(quote, text=None)


def _provenance(message: InboundMessage, standing: _Standing) -> Provenance:
    return Provenance(
        origin=Origin.OPERATOR if message.channel == OWN_CHAT else Origin.CHANNEL,
        authority=standing.authority,
        channel=message.channel,
        account=message.account,
        sender_id=message.sender.id,
        conversation=message.conversation.id,
    )
