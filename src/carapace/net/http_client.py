"""httpx2's client, which reads the text of a URL strictly before the library repairs it.

The library escapes backslashes, drops dot segments and maps foreign letters, so what reaches
the transport is always tidy. A text that another program would read as another host has to be
refused while it is still as somebody wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from carapace.net.refused import EgressRefused
from carapace.net.url import InvalidUrl, parse_url

__all__ = ["GuardedClient"]


class GuardedClient(httpx2.AsyncClient):
    """A client of one caller.

    Args:
        transport: Sends requests under the caller's rules.
        timeout: Of the caller's policy.
        on_refused: Told of every text that is no readable URL.
    """

    def __init__(
        self,
        transport: httpx2.AsyncBaseTransport,
        *,
        timeout: httpx2.Timeout,
        on_refused: Callable[[EgressRefused], None],
    ) -> None:
        super().__init__(
            transport=transport, timeout=timeout, trust_env=False, follow_redirects=False
        )
        self._on_refused = on_refused

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        """As the library does, for a URL that reads in one way only.

        Raises:
            httpx2.ConnectError: It does not; an `EgressRefused` is the cause.
        """
        if isinstance(url, str) and not self._is_relative(url):
            try:
                parse_url(url)
            except InvalidUrl as error:
                # Not even a host is certain, and any part may be a secret: name none of it.
                refused = EgressRefused("an unreadable URL", 0, str(error))
                self._on_refused(refused)
                raise httpx2.ConnectError(str(refused)) from refused
        return super().build_request(method, url, **options)

    def _is_relative(self, url: str) -> bool:
        """SDKs may set a base, which the transport checks together with what is joined to it."""
        return bool(self.base_url.host) and "://" not in url and not url.startswith("//")
