"""What holds for one account: its own settings, then its channel's, then the defaults.

Credentials are the exception: an account never takes over its channel's secret, or a message
signed for one account would be good for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from carapace.channels.types import DEFAULT_ACCOUNT
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelDefaults,
    ChannelSettings,
    ChannelsSettings,
    PluginAccountSettings,
    PluginChannelSettings,
    WebhookSettings,
)

__all__ = ["Branch", "account_names", "account_settings", "branches", "has_credential"]

Branch = ChannelSettings | WebhookSettings | PluginChannelSettings
"""The settings of one channel."""

S = TypeVar("S", bound=AccountSettings)


def branches(channels: ChannelsSettings) -> dict[str, Branch]:
    """The settings of each channel, by its id; those of plugins that are not there as well."""
    return {**channels.plugins, "webchat": channels.webchat, "webhook": channels.webhook}


def account_names(branch: Branch) -> tuple[str, ...]:
    """The accounts of a channel, `default` first if it is one of them.

    With accounts named, the channel's own keys make a further account only if they hold a
    credential.
    """
    named = [name for name in branch.accounts if name != DEFAULT_ACCOUNT]
    has_own = has_credential(branch)
    if not branch.accounts or has_own or DEFAULT_ACCOUNT in branch.accounts:
        return (DEFAULT_ACCOUNT, *named)
    return tuple(named)


def account_settings(
    defaults: ChannelDefaults, branch: Branch, account: str
) -> AccountSettings | None:
    """What holds for `account`, as the account struct of its channel; None if there is no such.

    `enabled: false` at the channel turns all its accounts off.
    """
    if account not in account_names(branch):
        return None
    accounts = cast("Mapping[str, AccountSettings]", branch.accounts)
    own = accounts.get(account)
    base = branch if account == DEFAULT_ACCOUNT else _without_credentials(branch)
    merged = _over(base, defaults) if own is None else _over(own, _over(base, defaults))
    if branch.enabled is False:
        merged = msgspec.structs.replace(merged, enabled=False)
    return merged


def has_credential(account: AccountSettings) -> bool:
    """Whether one of its secrets is there."""
    if isinstance(account, PluginAccountSettings):
        return bool(account.credentials())
    return any(getattr(account, name) is not None for name in account.CREDENTIALS)


def _without_credentials(branch: Branch) -> Branch:
    if isinstance(branch, PluginChannelSettings):
        secrets = branch.credentials()
        own = {name: value for name, value in (branch.own or {}).items() if name not in secrets}
        return msgspec.structs.replace(branch, own=own or None)
    return msgspec.structs.replace(branch, **dict.fromkeys(branch.CREDENTIALS))


def _over(near: S, far: ChannelDefaults) -> S:
    """`near`, with what it does not say taken from `far`."""
    taken = {
        name: getattr(far, name)
        for name in far.__struct_fields__
        if hasattr(near, name) and getattr(near, name) is None and getattr(far, name) is not None
    }
    if isinstance(near, PluginAccountSettings) and isinstance(far, PluginAccountSettings):
        # A plugin's own settings are merged one by one as the others are.
        taken["own"] = {**(far.own or {}), **(near.own or {})} or None
    return msgspec.structs.replace(near, **taken) if taken else near
