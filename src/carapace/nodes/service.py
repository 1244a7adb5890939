"""The nodes, for methods and for the server: who is there, and asking them something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from carapace.auth.platform import Platform, platform_of
from carapace.auth.types import Caller, Origin
from carapace.clock import Clock
from carapace.config.settings.nodes import NodesSettings
from carapace.errors import Refused
from carapace.ids import ConnId, new_id
from carapace.nodes.agreed import Agreed, Agreement, Consent
from carapace.nodes.catalogue import NodeCatalogue
from carapace.nodes.dispatched import Dispatched
from carapace.nodes.invokes import Invokes
from carapace.nodes.live import LiveNodes, live_node
from carapace.nodes.pairing import NodePairing
from carapace.nodes.policy import BROWSER_COMMAND, asks_for_admin, refusal
from carapace.nodes.subscriptions import Subscriptions
from carapace.nodes.system_run import SystemRun, system_run
from carapace.nodes.types import NOT_CONNECTED, LiveNode, NodeCall, Outcome
from carapace.nodes.voicewake import VoiceWakeWords
from carapace.protocol.approvals import ApprovalSubject
from carapace.protocol.events import Event, Publish
from carapace.protocol.scopes import Scope
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.metrics import Metrics

__all__ = ["BROWSER_COMMAND", "DEFAULT_TIMEOUT_MS", "MAX_TIMEOUT_MS", "Nodes"]

DEFAULT_TIMEOUT_MS: Final = 30_000
MAX_TIMEOUT_MS: Final = 600_000
_RUN: Final = "system.run"
_MAIN: Final = "main"


class Nodes:
    """The room.

    Args:
        database: Where lists and words are.
        words: The words that wake the apps.
        subscriptions: Who follows which sessions.
        settings: `gateway.nodes` as it is now.
        publish: Tells clients and nodes.
        clock: For times and ages.
        audit: Hears of approvals and of commands that were refused.
        metrics: Counts calls.

    Attributes:
        catalogue: Which nodes there are.
        pairing: The older list.
        dispatched: Programs that nodes were asked to run.
    """

    def __init__(
        self,
        database: Database,
        *,
        words: VoiceWakeWords,
        subscriptions: Subscriptions,
        settings: Callable[[], NodesSettings],
        publish: Publish,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
    ) -> None:
        self._live = LiveNodes()
        self._invokes = Invokes(publish, clock=clock, metrics=metrics)
        self._agreed = Agreed()
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._audit = audit
        self.words = words
        self.subscriptions = subscriptions
        self.dispatched = Dispatched()
        self.catalogue = NodeCatalogue(database, self._live, settings=settings, clock=clock)
        self.pairing = NodePairing(database, clock=clock, publish=publish, audit=audit)

    # As the server sees it.

    def connected(self, caller: Caller, origin: Origin) -> None:
        """A client was admitted; only nodes matter here."""
        node = live_node(caller, origin.client_ip, self._clock.now_ms())
        if node is not None:
            self._live.add(node)

    def welcome(self, caller: Caller) -> None:
        """A client hears events now: a node is told the words that wake it."""
        if caller.claims is not None:
            only = frozenset((caller.conn_id,))
            self._publish(Event("voicewake.changed", self.words.now(), only=only))

    def disconnected(self, caller: Caller) -> None:
        """A client is gone, or was closed: whoever waits for it as a node hears so."""
        if caller.device_id is None or caller.claims is None:
            return
        self._live.remove(caller.conn_id, caller.device_id)
        self.subscriptions.forget(caller.conn_id)
        self._invokes.gone(caller.conn_id)

    def followers(self, event: Event) -> frozenset[ConnId]:
        """Nodes that hear `event` because they follow its session."""
        return self.subscriptions.followers(event)

    # As methods see it.

    async def invoke(
        self,
        caller: Caller,
        node_id: str,
        command: str,
        *,
        params: Any = msgspec.UNSET,
        timeout_ms: int | None = None,
        key: str | None = None,
    ) -> Outcome:
        """Ask a node for one command.

        Args:
            caller: Who asks.
            node_id: The node.
            command: What.
            params: For the command; not passed on if unset.
            timeout_ms: How long to wait; 30 seconds without it, ten minutes at most.
            key: The same key again runs nothing twice; a fresh one without it.

        Raises:
            Refused: If the node may not be asked that, or not by `caller`.
            Failed: If too many calls wait already.
        """
        node = self._live.get(node_id)
        if node is None:
            return Outcome(failure=NOT_CONNECTED)
        self._check(caller, node, command, params)
        wait_ms = DEFAULT_TIMEOUT_MS if timeout_ms is None else timeout_ms
        call = NodeCall(
            node_id=node_id,
            command=command,
            params_json=_json(params),
            timeout_ms=min(wait_ms, MAX_TIMEOUT_MS),
            idempotency_key=key or new_id(),
            caller_key=_key(caller),
        )
        if command != _RUN:
            return await self._invokes.run(node, call)
        run = system_run(params, new_id())
        return await self._invokes.run(node, call, lambda: self._prepared(caller, node_id, run))

    def agreed(self, caller: Caller, subject: ApprovalSubject, consent: Consent) -> None:
        """A person agreed to what `caller` asked about; it may be run once on a node."""
        agreement = Agreement(_key(caller), subject.command, subject.cwd, subject.agent_id)
        self._agreed.note(agreement, consent, self._clock.monotonic())

    def answered(self, caller: Caller, invoke_id: str, outcome: Outcome) -> bool:
        """A node answers; False if nobody waits for that any more."""
        return self._invokes.result(caller.conn_id, invoke_id, outcome)

    def has_mobile(self) -> bool:
        """Whether a phone or tablet is connected."""
        return any(
            platform_of(node.shown_platform) in (Platform.IOS, Platform.ANDROID)
            for node in self._live.all()
        )

    def browser_node(self) -> str | None:
        """The node whose browser is driven; None if the settings want none, or none is there.

        Raises:
            Refused: If several could be meant.
        """
        chosen = self._settings().browser
        if chosen.mode == "off":
            return None
        offering = [node.node_id for node in self._live.all() if self._offers_browser(node)]
        if chosen.node is not None:
            return chosen.node if chosen.node in offering else None
        if chosen.mode == "manual":
            return None
        if len(offering) > 1:
            raise Refused(
                f"{len(offering)} connected nodes offer a browser: "
                "name one in gateway.nodes.browser.node"
            )
        return offering[0] if offering else None

    def _prepared(self, caller: Caller, node_id: str, run: SystemRun) -> str | None:
        """The params of a program as the node gets them; its news will be believed."""
        now_s = self._clock.monotonic()
        self.dispatched.add(node_id, run.run_id, run.session_key or _MAIN, now_s)
        if run.shown is None:
            return _json(run.params)
        agreement = Agreement(_key(caller), run.shown, run.cwd, run.agent_id)
        consent = self._agreed.take(agreement, now_s)
        if consent is None:
            return _json(run.params)
        return _json({**run.params, "approved": True, "approvalDecision": consent})

    def _offers_browser(self, node: LiveNode) -> bool:
        return refusal(BROWSER_COMMAND, node, self._settings()) is None

    def _check(self, caller: Caller, node: LiveNode, command: str, params: Any) -> None:
        """Refuse what the policy refuses; and what only administrators may ask (Q09)."""
        reason = refusal(command, node, self._settings())
        if reason is not None:
            self._audit.record(
                AuditKind.NODE_COMMAND_REFUSED,
                node=node.node_id,
                command=command,
                reason=reason,
                by=caller.device_id or caller.client_id,
            )
            raise Refused(
                "node command not allowed", details={"reason": reason, "command": command}
            )
        if asks_for_admin(command, params) and Scope.ADMIN not in caller.scopes:
            raise Refused(f"missing scope: {Scope.ADMIN}")


def _key(caller: Caller) -> str:
    """Who a caller is across its connections."""
    return caller.device_id or caller.conn_id


def _json(params: Any) -> str | None:
    return None if params is msgspec.UNSET else msgspec.json.encode(params).decode()
