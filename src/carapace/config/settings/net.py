"""`net.*`: how the gateway reaches the outside."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["NetSettings", "ProxySettings"]

ProxyUrl = Annotated[str, msgspec.Meta(pattern=r"^(https?|socks5h?)://[^@/?#\s]+/?$")]


class ProxySettings(Section, frozen=True):
    """The proxy that everything outbound goes through. Those of the environment are ignored."""

    url: Annotated[
        ProxyUrl | None,
        setting(
            "Address of the proxy: `http://` or `https://` (CONNECT), or `socks5://`. It looks "
            "up the names of what it connects to, so the check of their addresses is the "
            "proxy's own.",
            live=True,
        ),
    ] = None
    bypass: Annotated[
        tuple[str, ...],
        setting(
            "Hosts that are reached directly: `api.example.com`, `*.example.com` or an "
            "address. Hosts of one's own network always are.",
            live=True,
        ),
    ] = ()
    username: Annotated[str | None, setting("Name for the proxy.", live=True)] = None
    password: Annotated[str | None, setting("Password for the proxy.", live=True, secret=True)] = (
        None
    )


class NetSettings(Section, frozen=True):
    """How the gateway reaches the outside."""

    proxy: Annotated[ProxySettings, setting("The way through a proxy.")] = msgspec.field(
        default_factory=ProxySettings
    )
