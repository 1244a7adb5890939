"""Which secrets a plugin may use, and where their values are.

A handle is a name of the manifest (`botToken`), or an account and such a name (`work/botToken`).
Values are looked up when they are used, so a changed configuration counts at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from carapace.config.secret import Secret
from carapace.plugins.capabilities.codes import Code, guest_error
from carapace.plugins.capabilities.outbound.redaction import SecretScrubber
from carapace.plugins.capabilities.ports import PluginConfig, SecretHolder

__all__ = ["ACCOUNTS_KEY", "ConfiguredSecrets", "PluginSecrets"]

ACCOUNTS_KEY: Final = "accounts"
"""Under which a plugin's configuration has its accounts, as the built-in channels' does."""

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")


class PluginSecrets:
    """The secrets that one plugin may use.

    Args:
        granted: Names of its manifest.
        holder: Has the values.
    """

    __slots__ = ("_granted", "_holder", "_made", "_of")

    def __init__(self, granted: frozenset[str], holder: SecretHolder) -> None:
        self._granted = granted
        self._holder = holder
        self._made = SecretScrubber(())
        self._of: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        """Handles that may be used and have a value."""
        return sorted({name for name in self._holder.names() if self._is_granted(name)})

    def reveal(self, name: str) -> Secret:
        """The secret of a handle.

        Raises:
            GuestError: If the plugin may not use it, or it has no value.
        """
        if not self._is_granted(name):
            raise guest_error(
                Code.NOT_GRANTED, f"the secret {name[:200]!r} is not in this plugin's manifest"
            )
        secret = self._holder.secret(name)
        if not secret:
            raise guest_error(
                Code.NOT_CONFIGURED, f"the secret {name!r} is not set: add it to the configuration"
            )
        return secret

    def scrubber(self) -> SecretScrubber:
        """Masks every secret of this plugin, whether this request used it or not."""
        values = frozenset(
            secret.reveal() for name in self.names() if (secret := self._holder.secret(name))
        )
        if values != self._of:
            self._made, self._of = SecretScrubber(values), values
        return self._made

    def _is_granted(self, handle: str) -> bool:
        account, slash, name = handle.rpartition("/")
        if slash and not _ACCOUNT.fullmatch(account):
            return False
        return name in self._granted


class ConfiguredSecrets:
    """Secrets that stand in the plugin's own configuration; satisfies `SecretHolder`.

    Args:
        names: Of the manifest; keys of the configuration and of each account in it.
        config: The configuration.
    """

    __slots__ = ("_config", "_names")

    def __init__(self, names: frozenset[str], config: PluginConfig) -> None:
        self._names = names
        self._config = config

    def names(self) -> tuple[str, ...]:
        """Handles of the secrets that have a value now."""
        settings = self._config.settings()
        found = [name for name in sorted(self._names) if _value(settings, name)]
        for account, inner in _accounts(settings).items():
            found += [f"{account}/{name}" for name in sorted(self._names) if _value(inner, name)]
        return tuple(found)

    def secret(self, name: str) -> Secret | None:
        """The value of a handle, or None if it has none."""
        settings = self._config.settings()
        account, slash, key = name.rpartition("/")
        if key not in self._names:
            return None
        if slash:
            return _value(_accounts(settings).get(account, {}), key)
        return _value(settings, key)


def _value(settings: Mapping[str, Any], key: str) -> Secret | None:
    value = settings.get(key)
    if isinstance(value, str) and value:
        return Secret(value)
    return value if isinstance(value, Secret) and value else None


def _accounts(settings: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    accounts = settings.get(ACCOUNTS_KEY)
    if not isinstance(accounts, Mapping):
        return {}
    return {
        name: cast("Mapping[str, Any]", inner)
        for name, inner in cast("Mapping[str, Any]", accounts).items()
        if isinstance(inner, Mapping)
    }
