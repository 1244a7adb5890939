"""`session.*`: how conversations are told apart."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["SendMatch", "SendPolicySettings", "SendRule", "SessionSettings"]


class SendMatch(Section, frozen=True):
    """Which conversations a rule is about; what is left out matches any."""

    channel: Annotated[
        Name | None, setting("The chat service they were last used on.", live=True)
    ] = None
    chat_type: Annotated[
        Literal["direct", "group", "channel"] | None,
        setting("What sort of chat they are.", live=True),
    ] = None
    key_prefix: Annotated[
        Name | None,
        setting("How their key begins, with or without `agent:ID:`.", live=True),
    ] = None


class SendRule(Section, frozen=True):
    """One rule about sending."""

    action: Annotated[Literal["allow", "deny"], setting("Whether they may send.", live=True)] = (
        "allow"
    )
    match: Annotated[SendMatch, setting("Which conversations it is about.", live=True)] = (
        msgspec.field(default_factory=SendMatch)
    )


class SendPolicySettings(Section, frozen=True):
    """Which conversations may send anything."""

    default: Annotated[
        Literal["allow", "deny"],
        setting("What counts for conversations that no rule matches.", live=True),
    ] = "allow"
    rules: Annotated[
        tuple[SendRule, ...],
        setting("Of the rules that match, one that denies wins.", live=True),
    ] = ()


class SessionSettings(Section, frozen=True):
    """How conversations are told apart."""

    scope: Annotated[
        Literal["per-sender", "global"],
        setting("One conversation for each sender, or one for all.", live=True),
    ] = "per-sender"
    main_key: Annotated[
        Name, setting("Another name under which clients may ask for the main session.", live=True)
    ] = "main"
    dm_scope: Annotated[
        Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"],
        setting(
            "Which direct chats share a conversation: all of them with your main one (`main`), "
            "those of one person (`per-peer`), or those of one person on one channel "
            "(`per-channel-peer`, or with each of your accounts apart: "
            "`per-account-channel-peer`). Strangers under `dmPolicy: open` never share the main "
            "one.",
            live=True,
        ),
    ] = "main"
    send_policy: Annotated[
        SendPolicySettings,
        setting(
            "Which conversations may send. In one that may not, messages begin no turn and "
            "clients are told so; `/send on` or `sessions.patch` opens one by itself.",
            live=True,
        ),
    ] = msgspec.field(default_factory=SendPolicySettings)
