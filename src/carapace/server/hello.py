"""hello-ok: the answer to `connect`, made of parts that are encoded as seldom as possible.

Features and policy never change while the gateway runs, so they are encoded once for each
dialect. Presence and health come from a source that keeps them encoded. What is left for one
connect is its own id and token, and for administrators the paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from carapace.auth.types import Admission, Caller, Origin
from carapace.clock import Clock
from carapace.protocol.connect import Features, Policy, ServerInfo, Snapshot
from carapace.protocol.events import ADVERTISED
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.version import Dialect, HelloParts
from carapace.server.ports import SnapshotSource

__all__ = ["METHOD_ORDER", "HelloBuilder", "advertised"]

METHOD_ORDER: Final = [
    "health",
    "logs.tail",
    "channels.status",
    "channels.logout",
    "status",
    "usage.status",
    "usage.cost",
    "tts.status",
    "tts.providers",
    "tts.enable",
    "tts.disable",
    "tts.convert",
    "tts.setProvider",
    "config.get",
    "config.set",
    "config.apply",
    "config.patch",
    "config.schema",
    "exec.approvals.get",
    "exec.approvals.set",
    "exec.approvals.node.get",
    "exec.approvals.node.set",
    "exec.approval.request",
    "exec.approval.resolve",
    "wizard.start",
    "wizard.next",
    "wizard.cancel",
    "wizard.status",
    "talk.mode",
    "models.list",
    "agents.list",
    "skills.status",
    "skills.bins",
    "skills.install",
    "skills.update",
    "update.run",
    "voicewake.get",
    "voicewake.set",
    "sessions.list",
    "sessions.preview",
    "sessions.patch",
    "sessions.reset",
    "sessions.delete",
    "sessions.compact",
    "last-heartbeat",
    "set-heartbeats",
    "wake",
    "node.pair.request",
    "node.pair.list",
    "node.pair.approve",
    "node.pair.reject",
    "node.pair.verify",
    "device.pair.list",
    "device.pair.approve",
    "device.pair.reject",
    "device.token.rotate",
    "device.token.revoke",
    "node.rename",
    "node.list",
    "node.describe",
    "node.invoke",
    "node.invoke.result",
    "node.event",
    "cron.list",
    "cron.status",
    "cron.add",
    "cron.update",
    "cron.remove",
    "cron.run",
    "cron.runs",
    "system-presence",
    "system-event",
    "send",
    "agent",
    "agent.identity.get",
    "agent.wait",
    "chat.history",
    "chat.abort",
    "chat.send",
    "browser.request",
]
"""The order in which clients have always seen methods; names we lack are left out."""

_ENCODE: Final = msgspec.json.Encoder().encode


def advertised(methods: Methods, dialect: Dialect) -> list[str]:
    """The methods hello-ok names: known ones in their usual order, then ours by name."""
    shown = {name for name, row in methods.items() if row.advertised and dialect.knows(row)}
    known = [name for name in METHOD_ORDER if name in shown]
    return known + sorted(shown.difference(known))


class HelloBuilder:
    """Makes the payload of hello-ok.

    Args:
        methods: The registry.
        policy: The limits that are told.
        source: Where the snapshot comes from.
        version: The gateway's.
        host: This machine's name.
        clock: For the uptime, counted from here.
        canvas_url: Where a client finds the canvas; None if there is none.
    """

    def __init__(
        self,
        methods: Methods,
        *,
        policy: Policy,
        source: SnapshotSource,
        version: str,
        host: str,
        clock: Clock,
        canvas_url: Callable[[Caller, Origin], str | None],
    ) -> None:
        self._canvas_url = canvas_url
        self._methods = methods
        self._policy = msgspec.Raw(_ENCODE(policy))
        self._source = source
        self._version = version
        self._host = host
        self._clock = clock
        self._began = clock.monotonic()
        self._features: dict[int, msgspec.Raw] = {}

    def build(self, admission: Admission, dialect: Dialect, origin: Origin) -> Any:
        """The payload for one admitted connection from `origin`."""
        caller = admission.caller
        return dialect.hello(
            HelloParts(
                server=ServerInfo(version=self._version, host=self._host, conn_id=caller.conn_id),
                features=self._features_of(dialect),
                snapshot=self._snapshot(shows_paths=Scope.ADMIN in caller.scopes),
                policy=self._policy,
                auth=admission.device_token,
                canvas_host_url=self._canvas_url(caller, origin),
            )
        )

    def _features_of(self, dialect: Dialect) -> msgspec.Raw:
        raw = self._features.get(dialect.protocol)
        if raw is None:
            names = advertised(self._methods, dialect)
            raw = msgspec.Raw(_ENCODE(Features(methods=names, events=list(ADVERTISED))))
            self._features[dialect.protocol] = raw
        return raw

    def _snapshot(self, *, shows_paths: bool) -> Snapshot:
        source = self._source
        config_path, state_dir = source.paths() if shows_paths else (None, None)
        return Snapshot(
            presence=source.presence(),
            health=source.health(),
            state_version=source.state_version(),
            uptime_ms=int((self._clock.monotonic() - self._began) * 1000),
            config_path=config_path,
            state_dir=state_dir,
            session_defaults=source.session_defaults(),
        )
