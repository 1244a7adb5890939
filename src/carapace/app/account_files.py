"""Files that come in for an account of a chat service: its cap, and its way out."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from carapace.channels.accounts.file_cap import max_file_bytes
from carapace.channels.accounts.settings import account_settings, branches
from carapace.config.settings import Settings
from carapace.config.settings.channels import PluginAccountSettings
from carapace.errors import Refused
from carapace.media.fetch import ANYWHERE_PUBLIC, MediaFetcher
from carapace.media.types import MediaItem
from carapace.net.proxy import Proxy, proxy_of
from carapace.net.url import InvalidUrl

__all__ = ["AccountFiles"]


class AccountFiles:
    """Fetches files from public addresses as an account may.

    Args:
        fetcher: Brings them in.
        settings: As they are now.
    """

    def __init__(self, fetcher: MediaFetcher, settings: Callable[[], Settings]) -> None:
        self._fetcher = fetcher
        self._settings = settings

    def max_bytes(self, channel: str, account: str) -> int:
        """The longest file that it takes in or sends."""
        return max_file_bytes(self._settings(), channel, account)

    async def fetch(
        self, url: str, channel: str, account: str, *, filename: str | None = None
    ) -> MediaItem:
        """Fetch a file, through the account's own proxy if it has one.

        Raises:
            Refused: If a rule of `net` or of the store refuses it, it is too large for the
                account, or its proxy cannot be used.
            Failed: If the server does not give it.
        """
        return await self._fetcher.fetch(
            url,
            replace(ANYWHERE_PUBLIC, proxy=self._proxy(channel, account)),
            filename=filename,
            max_bytes=self.max_bytes(channel, account),
        )

    def _proxy(self, channel: str, account: str) -> Proxy | None:
        settings = self._settings().channels
        branch = branches(settings).get(channel)
        own = None if branch is None else account_settings(settings.defaults, branch, account)
        if not isinstance(own, PluginAccountSettings) or own.proxy is None:
            return None
        where = f"channels.{channel} (account {account}): proxy"
        try:
            return proxy_of(own.proxy, where)
        except InvalidUrl as error:
            raise Refused(
                f"the proxy cannot be used: {error}. Correct it in the configuration"
            ) from error
