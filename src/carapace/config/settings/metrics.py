"""`metrics.*`: the listener for Prometheus."""

from __future__ import annotations

from typing import Annotated

from carapace.config.settings.setting import Port, Section, setting

__all__ = ["MetricsSettings"]


class MetricsSettings(Section, frozen=True):
    """The listener for Prometheus. It listens on loopback; elsewhere it needs a token."""

    enabled: Annotated[bool, setting("Listen for Prometheus.")] = False
    host: Annotated[str, setting("Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, setting("Port to listen on.")] = 18_790
    token: Annotated[str | None, setting("Bearer token a scraper has to show.", secret=True)] = None
