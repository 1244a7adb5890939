"""One account's rules about people, ready for the authoriser: sets instead of settings.

Ids are compared byte for byte. An entry is an id, or `id:` and an id (for ids that look like
something else), or `*`. Nothing else has a meaning, so an entry such as `name:Alice` admits
nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from carapace.channels.types import Conversation
from carapace.config.settings.channels import (
    AccountSettings,
    DmPolicy,
    GroupPolicy,
    GroupSettings,
    SenderEntry,
)
from carapace.value import Value

__all__ = ["NOBODY", "AccountRules", "FoundGroup", "SenderList", "owners_of", "rules_of"]

_ID = "id:"
_SPACE = "space:"
_ANY = "*"


class SenderList(Value, frozen=True):
    """Those an operator listed.

    Attributes:
        ids: By id.
        has_anyone: `*` was among them.
    """

    ids: frozenset[str] = frozenset()
    has_anyone: bool = False

    def names(self, sender_id: str) -> bool:
        """Whether `sender_id` itself is listed."""
        return sender_id != "" and sender_id in self.ids

    def admits(self, sender_id: str) -> bool:
        """Whether `sender_id` is listed or everybody is; an empty id never is."""
        return sender_id != "" and (self.has_anyone or sender_id in self.ids)

    def without_anyone(self) -> SenderList:
        """The ids alone."""
        return SenderList(self.ids)


NOBODY = SenderList()


class FoundGroup(Value, frozen=True):
    """What is said about a conversation.

    Attributes:
        is_named: It, or its space, is named; else `*` speaks for it.
        senders: None if nothing is said about them.
        require_mention: Likewise.
    """

    is_named: bool
    is_enabled: bool
    senders: SenderList | None
    require_mention: bool | None


class AccountRules(Value, frozen=True, kw_only=True):
    """Who may speak at one account.

    Attributes:
        allow_from: None if the key is missing; then it names nobody.
        group_allow_from: None if the key is missing; then other rules speak.
        conversations: Groups named by their id; with `spaces` and `others` None if the key is
            missing.
    """

    is_enabled: bool = True
    dm_policy: DmPolicy = "pairing"
    allow_from: SenderList = NOBODY
    group_policy: GroupPolicy = "allowlist"
    group_allow_from: SenderList | None = None
    require_mention: bool = True
    allow_bots: bool = False
    has_groups: bool = False
    conversations: Mapping[str, FoundGroup]
    spaces: Mapping[str, FoundGroup]
    others: FoundGroup | None = None

    def group(self, conversation: Conversation) -> FoundGroup | None:
        """What is said about `conversation`: itself, its space, the others; the first wins."""
        found = self.conversations.get(conversation.id)
        if found is None and conversation.space_id:
            found = self.spaces.get(conversation.space_id)
        return self.others if found is None else found

    def needs_mention(self, conversation: Conversation) -> bool:
        """Whether only what is meant for us counts there."""
        found = self.group(conversation)
        if found is not None and found.require_mention is not None:
            return found.require_mention
        return self.require_mention


def rules_of(settings: AccountSettings | None) -> AccountRules:
    """The rules of an account with these settings; None (no such account) is turned off."""
    if settings is None:
        return AccountRules(is_enabled=False, conversations={}, spaces={})
    groups = settings.groups or {}
    return AccountRules(
        is_enabled=settings.enabled is not False,
        dm_policy=settings.dm_policy or "pairing",
        allow_from=_listed(settings.allow_from) or NOBODY,
        group_policy=settings.group_policy or "allowlist",
        group_allow_from=_listed(settings.group_allow_from),
        require_mention=settings.require_mention is not False,
        allow_bots=settings.allow_bots is True,
        has_groups=settings.groups is not None,
        conversations={
            _plain(key): _found(entry)
            for key, entry in groups.items()
            if key != _ANY and not key.startswith(_SPACE)
        },
        spaces={
            key.removeprefix(_SPACE): _found(entry)
            for key, entry in groups.items()
            if key.startswith(_SPACE)
        },
        others=_found(groups[_ANY], is_named=False) if _ANY in groups else None,
    )


def owners_of(entries: Iterable[SenderEntry], channel: str) -> frozenset[str]:
    """The owner's ids on `channel`, from entries such as `webhook:alice`.

    A `*` is no id, and an entry for another channel says nothing here (row E09).
    """
    ids: set[str] = set()
    for entry in entries:
        named, _, sender_id = str(entry).partition(":")
        if named == channel and sender_id not in {"", _ANY, _ID}:
            ids.add(_plain(sender_id))
    return frozenset(ids)


def _listed(entries: tuple[SenderEntry, ...] | None) -> SenderList | None:
    if entries is None:
        return None
    texts = [str(entry) for entry in entries]
    ids = frozenset(_plain(text) for text in texts if text not in {"", _ANY, _ID})
    return SenderList(ids, _ANY in texts)


def _plain(entry: str) -> str:
    return entry.removeprefix(_ID)


def _found(entry: GroupSettings, *, is_named: bool = True) -> FoundGroup:
    return FoundGroup(is_named, entry.enabled, _listed(entry.allow_from), entry.require_mention)
