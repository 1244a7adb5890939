"""What in the settings about people cannot mean what its writer hoped."""

from __future__ import annotations

from collections.abc import Iterator

from carapace.channels.access.types import AccessSettings
from carapace.channels.accounts.settings import account_names, account_settings
from carapace.channels.mentions import MentionPatterns
from carapace.config.settings.channels import AccountSettings

__all__ = ["access_warnings"]


def access_warnings(settings: AccessSettings, mentions: MentionPatterns) -> tuple[str, ...]:
    """One text for each, for people: what has no effect, or more than one may think."""
    return (*_owners(settings), *_patterns(mentions), *_accounts(settings))


def _owners(settings: AccessSettings) -> Iterator[str]:
    for entry in settings.commands.owner_allow_from:
        channel, colon, sender_id = str(entry).partition(":")
        if not colon or sender_id in {"", "*", "id:"} or channel in {"", "*", "id"}:
            yield (
                f"commands.ownerAllowFrom: {str(entry)!r} makes nobody an owner. Write the "
                "channel and the id, such as webhook:alice."
            )


def _patterns(mentions: MentionPatterns) -> Iterator[str]:
    for one in mentions.bad:
        yield (
            f"messages.groupChat.mentionPatterns: {one.pattern!r} is left out: {one.reason}. "
            "Correct it."
        )


def _accounts(settings: AccessSettings) -> Iterator[str]:
    for channel, branch in settings.channels.items():
        for name in account_names(branch):
            found = account_settings(settings.defaults, branch, name)
            if found is not None and found.enabled is not False:
                yield from _account(f"channels.{channel} (account {name})", found)


def _account(where: str, settings: AccountSettings) -> Iterator[str]:
    is_open = settings.dm_policy == "open"
    has_anyone = "*" in (settings.allow_from or ())
    if is_open and not has_anyone:
        yield (
            f'{where}: dmPolicy is open, but allowFrom does not hold "*", so only those listed '
            'may write. Add "*", or set dmPolicy to allowlist.'
        )
    if has_anyone and not is_open:
        yield (
            f'{where}: "*" in allowFrom has no effect without dmPolicy open. Remove it, or set '
            "dmPolicy to open."
        )
    if settings.group_policy == "open" and settings.groups is None:
        yield (
            f"{where}: groupPolicy is open and no groups are named, so everybody may speak in "
            "every group that the account is added to. Name the groups in groups."
        )
