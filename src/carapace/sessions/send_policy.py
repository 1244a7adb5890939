"""Whether a conversation may send anything: `session.sendPolicy` and a session's own word.

Pure rules. A session's own setting wins. Otherwise every rule that matches is looked at: one that
denies decides, then one that allows, then the default.
"""

from __future__ import annotations

from typing import Final

from carapace.config.settings.session import SendPolicySettings, SendRule
from carapace.errors import Refused
from carapace.sessions.keys import SessionKind, kind_of, rest_of
from carapace.sessions.types import SessionEntry

__all__ = ["BLOCKED_TEXT", "SendBlocked", "is_denied", "require"]

BLOCKED_TEXT: Final = "send blocked by session policy"
_PLACES: Final = frozenset({"group", "channel", "dm"})
_PLACE_AT: Final = 1


class SendBlocked(Refused):
    """The session may not send, so nothing is begun in it."""

    def __init__(self) -> None:
        super().__init__(BLOCKED_TEXT)


def require(entry: SessionEntry, policy: SendPolicySettings) -> None:
    """Nothing, if the session may send.

    Raises:
        SendBlocked: If it may not.
    """
    if is_denied(entry, policy):
        raise SendBlocked


def is_denied(entry: SessionEntry, policy: SendPolicySettings) -> bool:
    """Whether the session may not send."""
    if entry.send_policy is not None:
        return entry.send_policy == "deny"
    if not policy.rules:
        return policy.default == "deny"
    actions = {rule.action for rule in policy.rules if _matches(rule, entry)}
    if "deny" in actions:
        return True
    return "allow" not in actions and policy.default == "deny"


def _matches(rule: SendRule, entry: SessionEntry) -> bool:
    wanted = rule.match
    if wanted.channel is not None and wanted.channel.strip().lower() != _channel_of(entry):
        return False
    if wanted.chat_type is not None and wanted.chat_type != _chat_type_of(entry):
        return False
    prefix = (wanted.key_prefix or "").strip().lower()
    return entry.key.startswith(prefix) or rest_of(entry.key).startswith(prefix)


def _channel_of(entry: SessionEntry) -> str | None:
    if entry.last_channel is not None:
        return entry.last_channel
    parts = rest_of(entry.key).split(":")
    is_place = len(parts) > _PLACE_AT + 1 and parts[_PLACE_AT] in _PLACES
    return parts[0] if is_place else None


def _chat_type_of(entry: SessionEntry) -> str | None:
    if entry.chat_type is not None:
        return entry.chat_type
    if kind_of(entry.key) is SessionKind.GROUP:
        return "channel" if ":channel:" in entry.key else "group"
    return None
