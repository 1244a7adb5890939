"""What hello-ok and the periodic events show, gathered from the rooms that know it."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable
from typing import Any

from carapace import __version__
from carapace.auth.presence import Presence
from carapace.clock import Clock
from carapace.config.paths import Paths
from carapace.methods.snapshot import HealthCache
from carapace.protocol.events import StateVersion
from carapace.protocol.presence import PresenceEntry
from carapace.sessions.keys import main_session
from carapace.sessions.types import SessionPolicy

__all__ = ["Source", "own_names", "own_presence"]


class Source:
    """Satisfies `carapace.server.ports.SnapshotSource`; everything is answered from memory."""

    def __init__(
        self,
        health: HealthCache,
        presence: Presence,
        *,
        policy: Callable[[], SessionPolicy],
        paths: Paths,
        clock: Clock,
    ) -> None:
        self._health = health
        self._presence = presence
        self._policy = policy
        self._paths = paths
        self._clock = clock

    def health(self) -> Any:
        """The health snapshot, encoded."""
        return self._health.answer()

    def presence(self) -> Any:
        """The presence list, encoded."""
        return self._presence.encoded(self._clock.now_ms())

    def state_version(self) -> StateVersion:
        """The counters of both."""
        return StateVersion(presence=self._presence.version, health=self._health.version)

    def session_defaults(self) -> dict[str, str]:
        """Which agent and session a client gets that names none."""
        policy = self._policy()
        return {
            "defaultAgentId": policy.agent_id,
            "mainKey": policy.main_key,
            "mainSessionKey": main_session(policy.agent_id, policy.main_key),
            "scope": "global" if policy.one_for_all else "per-sender",
        }

    def paths(self) -> tuple[str | None, str | None]:
        """Configuration file and state folder."""
        return str(self._paths.config_path), str(self._paths.state_dir)


def own_names() -> tuple[str, ...]:
    """Names by which this machine may be addressed, lower case."""
    name = socket.gethostname().lower()
    return tuple(dict.fromkeys((name, name.partition(".")[0], f"{name.partition('.')[0]}.local")))


def own_presence(now_ms: int) -> PresenceEntry:
    """The gateway's own entry, first in every list; no address of an interface is told."""
    name, system = socket.gethostname(), platform.system()
    family = {"Darwin": "Mac"}.get(system, system)
    return PresenceEntry(
        host=name,
        ip="127.0.0.1",
        version=__version__,
        platform=f"{system.lower()} {platform.release()}",
        device_family=family,
        model_identifier=platform.machine(),
        mode="gateway",
        reason="self",
        text=f"Gateway: {name} (127.0.0.1) · app {__version__} · mode gateway · reason self",
        ts=now_ms,
    )
