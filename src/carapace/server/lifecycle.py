"""What the gateway says by the clock: tick, health, presence, and goodbye.

One task a rhythm, for all connections together; no connection has a timer of its own.
Presence is gathered: a thousand connects make a few events, not a thousand times a thousand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from msgspec.structs import replace

from carapace.auth.presence import Presence
from carapace.auth.types import Caller, Origin
from carapace.clock import Clock
from carapace.protocol.events import Event
from carapace.protocol.notices import ShutdownNotice, Tick
from carapace.protocol.presence import PresenceEvent
from carapace.protocol.scopes import Role
from carapace.server.hub import Hub
from carapace.server.ports import SnapshotSource
from carapace.tasks import Tasks

__all__ = ["Announcer"]

_HEALTH_INTERVAL_S: Final = 60.0
_PRESENCE_GAP_S: Final = 0.5
_PRESENCE_GAP_PER_CLIENT_S: Final = 0.005
_HEALTH_GAP_S: Final = 1.0
_SERVICE_RESTART: Final = 1012
_GOODBYE: Final = "service restart"


class Announcer:
    """Says what is due.

    Args:
        hub: Who hears it.
        source: Health and the counters.
        presence: The table this keeps up to date.
        clock: Sets the rhythm.
        tasks: Owns the rhythms.
        tick_interval_s: As `policy.tickIntervalMs` tells the clients.
        missed: Gives what a client that was away has to hear when it is back.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        source: SnapshotSource,
        presence: Presence,
        clock: Clock,
        tasks: Tasks,
        tick_interval_s: float,
        missed: Callable[[], Iterable[Event]] = tuple,
    ) -> None:
        self._hub = hub
        self._source = source
        self._presence = presence
        self._clock = clock
        self._tasks = tasks
        self._tick_interval_s = tick_interval_s
        self._missed = missed
        self._presence_changed = asyncio.Event()
        self._health_changed = asyncio.Event()

    def start(self) -> None:
        """Begin all rhythms."""
        self._tasks.start(self._tick(), name="tick")
        self._tasks.start(self._health_by_the_clock(), name="health rhythm")
        self._tasks.start(self._tell_health(), name="health")
        self._tasks.start(self._tell_presence(), name="presence")

    def joined(self, caller: Caller, origin: Origin) -> None:
        """A client was admitted."""
        if self._presence.connected(caller, origin.client_ip, self._clock.now_ms()):
            self._presence_changed.set()

    def welcome(self, caller: Caller) -> None:
        """A client has had its hello-ok: tell it what it missed. Nodes follow no runs."""
        if caller.role is Role.NODE:
            return
        only = frozenset((caller.conn_id,))
        for event in self._missed():
            self._hub.publish(replace(event, only=only))

    def left(self, caller: Caller) -> None:
        """An admitted client is gone."""
        if self._presence.disconnected(caller, self._clock.now_ms()):
            self._presence_changed.set()

    def health_changed(self) -> None:
        """Tell everybody about health soon; many calls make one event."""
        self._health_changed.set()

    def presence_changed(self) -> None:
        """Tell everybody who is present soon; many calls make one event."""
        self._presence_changed.set()

    def shutdown(self, reason: str, restart_expected_ms: int | None = None) -> None:
        """Tell everybody that the end is near."""
        self._hub.publish(Event("shutdown", ShutdownNotice(reason, restart_expected_ms)))

    def goodbye(self) -> None:
        """Close every connection, so that clients come back by themselves."""
        self._hub.close_all(_SERVICE_RESTART, _GOODBYE)

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(self._tick_interval_s)
            self._hub.sweep()
            self._hub.publish(Event("tick", Tick(self._clock.now_ms())))

    async def _health_by_the_clock(self) -> None:
        while True:
            await self._clock.sleep(_HEALTH_INTERVAL_S)
            self._health_changed.set()

    async def _tell_health(self) -> None:
        while True:
            await self._health_changed.wait()
            self._health_changed.clear()
            if len(self._hub):
                version = self._source.state_version()
                self._hub.publish(Event("health", self._source.health(), version))
            await self._clock.sleep(_HEALTH_GAP_S)

    async def _tell_presence(self) -> None:
        while True:
            await self._presence_changed.wait()
            self._presence_changed.clear()
            if len(self._hub):
                entries = self._presence.encoded(self._clock.now_ms())
                version = self._source.state_version()
                self._hub.publish(Event("presence", PresenceEvent(entries), version))
            await self._clock.sleep(_PRESENCE_GAP_S + len(self._hub) * _PRESENCE_GAP_PER_CLIENT_S)
