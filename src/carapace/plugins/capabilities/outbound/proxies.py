"""Which proxy a request of a plugin goes through: its account's. The plugin has no say in it.

The account of a request is known by its secrets, whose handles begin with it. A request without
any goes the way that all accounts of the plugin share, if they share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from carapace.config.settings.net import ProxySettings
from carapace.net.proxy import Proxy, proxy_of
from carapace.net.url import InvalidUrl
from carapace.plugins.capabilities.codes import Code, guest_error

__all__ = ["AccountProxies", "ProxiesNow"]

ProxiesNow = Callable[[], Mapping[str, ProxySettings | None]]
"""The proxy of each account as it is configured now; None of one that has none of its own."""

_DEFAULT: Final = "default"


class AccountProxies:
    """The proxies of one plugin's accounts.

    Args:
        now: What is configured.
        where: Under which name, for people: `channels.zalo`.
    """

    def __init__(self, now: ProxiesNow, *, where: str) -> None:
        self._now = now
        self._where = where
        self._made: dict[ProxySettings, Proxy | None] = {}

    def of(self, handles: Iterable[str] = ()) -> Proxy | None:
        """The proxy of a request; None if it goes as everything does.

        Args:
            handles: Of the secrets in it. One without an account is the default account's.

        Raises:
            GuestError: If its accounts have different proxies, or the proxy cannot be used: a
                request that should go through one never goes without.
        """
        configured = self._now()
        named = {one.rpartition("/")[0] or _DEFAULT for one in handles}
        # Of an account that is gone nothing is known, so it is as if it were not named.
        asked = {one: configured[one] for one in named if one in configured} or configured
        account, first = next(iter(asked.items()), ("", None))
        if any(one != first for one in asked.values()):
            if asked is configured:
                return None
            raise guest_error(
                Code.INVALID_ARGUMENT,
                "the request holds secrets of accounts that go through different proxies: make "
                "one request for each account",
            )
        return None if first is None else self._proxy(account, first)

    def _proxy(self, account: str, settings: ProxySettings) -> Proxy | None:
        """The same object for the same settings: connections through it are kept by it."""
        if settings not in self._made:
            configured = self._now().values()
            self._made = {one: made for one, made in self._made.items() if one in configured}
            self._made[settings] = self._read(account, settings)
        return self._made[settings]

    def _read(self, account: str, settings: ProxySettings) -> Proxy | None:
        try:
            return proxy_of(settings, f"{self._where} (account {account}): proxy")
        except InvalidUrl as error:
            raise guest_error(
                Code.NOT_CONFIGURED,
                f"the proxy cannot be used: {error}. Correct it in the configuration",
            ) from None
