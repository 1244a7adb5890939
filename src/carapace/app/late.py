"""The server, for rooms that are built before it and have news for its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from carapace.auth.types import Caller
from carapace.protocol.events import Event
from carapace.server.app import GatewayServer

__all__ = ["Late"]


class Late:
    """News from rooms that are built before the server: kept from nobody, lost only unheard."""

    def __init__(self) -> None:
        self.server: GatewayServer | None = None

    def publish(self, event: Event) -> None:
        """Tell the clients, if there is a server yet."""
        if self.server is not None:
            self.server.hub.publish(event)

    def presence_changed(self) -> None:
        """Tell the clients who is present soon."""
        if self.server is not None:
            self.server.announcer.presence_changed()

    def callers(self) -> Iterable[Caller]:
        """Who is connected."""
        return self.server.hub.callers if self.server is not None else ()

    def health_changed(self) -> None:
        """Tell the clients about health soon."""
        if self.server is not None:
            self.server.announcer.health_changed()

    def close(self, matches: Callable[[Caller], bool], reason: str) -> None:
        """End live connections, if there are any yet."""
        if self.server is not None:
            self.server.hub.close(matches, reason)
