"""Which conversation a message joins, and where its answer goes: pure functions.

The keys are the Node gateway's (`agent:<id>:<channel>:group:<conversation>` and so on). They are
stored in lower case and read by `:`; ids of services are compared byte for byte. So an id that
would lose something in a key (upper case, spaces, colons that read as a thread) is written
cleaned with a digest behind it: no two conversations ever share a key.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from carapace.channels.types import ChatType, InboundMessage, ReplyRoute, Target
from carapace.ids import AgentId, SessionKey
from carapace.protocol.sessions import DeliveryContext, SessionOrigin
from carapace.provenance import Authority, Provenance
from carapace.sessions.keys import canonical
from carapace.sessions.types import Route
from carapace.value import Value

__all__ = ["DmScope", "RoutingRules", "lane_of", "reply_route_of", "route_of", "session_key_of"]

DmScope = Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"]

DEFAULT_AGENT: Final = AgentId("main")
_PLAIN: Final = re.compile(
    r"[a-z0-9!@#$%&*+=?^_.,;/-]([a-z0-9!@#$%&*+=?^_.,;:/-]{0,118}[a-z0-9!@#$%&*+=?^_.,;/-])?"
)
_UNFIT: Final = re.compile(r"[^a-z0-9!@#$%&*+=?^_.,;/-]+")
_MARKS: Final = (":thread:", ":group:", ":channel:", ":dm:", "::")
_KEPT_CHARS: Final = 80
_DIGEST_CHARS: Final = 16
_LABEL_CHARS: Final = 200
_ENCODE: Final = msgspec.json.Encoder().encode


class RoutingRules(Value, frozen=True, kw_only=True):
    """What the configuration says about conversations.

    Attributes:
        agent_id: Who answers.
        main_key: `session.mainKey`.
        one_for_all: `session.scope` is `global`.
        dm_scope: `session.dmScope`: which direct conversations share a session.
    """

    agent_id: AgentId = DEFAULT_AGENT
    main_key: str = "main"
    one_for_all: bool = False
    dm_scope: DmScope = "main"


def lane_of(message: InboundMessage) -> str:
    """The conversation and thread, byte for byte; messages of one lane keep their order."""
    place = message.conversation
    return _ENCODE((message.channel, message.account, place.id, place.thread_id)).decode()


def session_key_of(
    message: InboundMessage, provenance: Provenance, rules: RoutingRules
) -> SessionKey:
    """Whose conversation a message joins.

    Direct messages of people the owner let in go where `dm_scope` says. A stranger who may write
    because everybody may never gets into the main session: it holds the owner's words.
    """
    place = message.conversation
    if place.chat_type is ChatType.DIRECT:
        rest = _direct(message, provenance, rules)
    else:
        kind = "channel" if place.chat_type is ChatType.CHANNEL else "group"
        rest = f"{message.channel}:{_account(message)}{kind}:{_part(place.id)}"
    if place.thread_id is not None:
        rest += f":thread:{_part(place.thread_id)}"
    return _canonical(rest, rules)


@lru_cache(maxsize=4_096)
def _canonical(rest: str, rules: RoutingRules) -> SessionKey:
    """Looked up, because a key is checked letter by letter and people write more than once."""
    return canonical(
        f"agent:{rules.agent_id}:{rest}",
        agent_id=rules.agent_id,
        main_key=rules.main_key,
        one_for_all=rules.one_for_all,
    )


def _direct(message: InboundMessage, provenance: Provenance, rules: RoutingRules) -> str:
    scope = rules.dm_scope
    if provenance.authority < Authority.PAIRED and scope in ("main", "per-peer"):
        scope = "per-channel-peer"
    peer = _part(message.sender.id)
    match scope:
        case "main":
            return rules.main_key
        case "per-peer":
            return f"dm:{peer}"
        case "per-channel-peer":
            return f"{message.channel}:dm:{peer}"
        case "per-account-channel-peer":
            return f"{message.channel}:{_part(message.account)}:dm:{peer}"


def _account(message: InboundMessage) -> str:
    """Groups of the default account are named as ever; those of others by their account too.

    Two accounts of one service may number their groups alike.
    """
    return "" if message.account == "default" else f"{_part(message.account)}:"


def _part(text: str) -> str:
    """An id as a part of a key; different ids give different parts."""
    if _PLAIN.fullmatch(text) and not any(mark in f":{text}:" for mark in _MARKS):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    return f"{_UNFIT.sub('-', text.lower())[:_KEPT_CHARS]}~{digest}"


def route_of(message: InboundMessage, channel_label: str) -> Route:
    """What the session notes about where its newest message came from."""
    place, sender = message.conversation, message.sender
    is_direct = place.chat_type is ChatType.DIRECT
    name = sender.display_name if is_direct else place.label
    label = _label(name or (sender.id if is_direct else place.id))
    kind = "group" if place.chat_type is ChatType.UNKNOWN else place.chat_type.value
    address = f"{message.channel}:{place.id}"
    return Route(
        origin=SessionOrigin(
            label=f"{label} ({channel_label})",
            provider=message.channel,
            surface=message.channel,
            chat_type=kind,
            from_=f"{message.channel}:{sender.id if is_direct else place.id}",
            to=address,
            account_id=message.account,
            thread_id=place.thread_id,
        ),
        delivery=DeliveryContext(
            channel=message.channel,
            to=place.id,
            account_id=message.account,
            thread_id=place.thread_id,
        ),
        chat_type=kind,
        display_name=label,
        subject=None if is_direct or place.label is None else _label(place.label),
        last_channel=message.channel,
        last_to=place.id,
        last_account_id=message.account,
    )


def reply_route_of(message: InboundMessage, inbox_ids: tuple[int, ...] = ()) -> ReplyRoute:
    """How an answer gets back; in company it names the message it answers."""
    place = message.conversation
    is_direct = place.chat_type is ChatType.DIRECT
    return ReplyRoute(
        target=Target(
            channel=message.channel,
            account=message.account,
            conversation=place.id,
            thread_id=place.thread_id,
        ),
        inbox_ids=inbox_ids,
        reply_to=None if is_direct else message.message_id,
        answers=message.message_id,
    )


def _label(text: str) -> str:
    """A name that others chose, fit for a list: one line, not long."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[
        :_LABEL_CHARS
    ]
