"""The older list of nodes: asked for, approved, checked by a token.

It gives no access: what lets a node connect is its device (`carapace.auth.pairing`). Apps still ask
through it to be shown to a person, and check with it whether they were approved. A token is told
once; afterwards only its digest is known.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from carapace.auth.compare import digest, same_secret
from carapace.auth.pairing import REQUEST_TTL_MS
from carapace.auth.types import Caller
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.ids import new_id, new_secret
from carapace.nodes import records
from carapace.nodes.policy import needs_admin
from carapace.nodes.records import NodeRequest, PairedNode
from carapace.protocol.events import Event, Publish
from carapace.protocol.nodes import (
    NodeDecision,
    NodeFacts,
    NodePairApproved,
    NodePairList,
    NodePairRejected,
    NodePairRequest,
    NodePairRequested,
    NodePairRequestRow,
    NodePairVerified,
    PairedNodeRow,
)
from carapace.protocol.scopes import Scope
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind

__all__ = ["NodePairing"]

_MAX_REQUESTS: Final = 100
_MAX_PAIRINGS: Final = 1_000


class NodePairing:
    """`node.pair.*`.

    Args:
        database: Where the list is.
        clock: For times and ages.
        publish: Hears of requests and decisions.
        audit: The same, for the trail.
    """

    def __init__(self, database: Database, *, clock: Clock, publish: Publish, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._publish = publish
        self._audit = audit

    async def request(self, params: NodePairRequest) -> NodePairRequested:
        """Ask for a node to be approved; one that waits already goes on waiting as it asked.

        Raises:
            Refused: If too many wait.
        """
        waiting, is_new = await self._database.write(lambda tx: self._request(tx, params))
        row = _request_row(waiting)
        if is_new:
            self._publish(Event("node.pair.requested", row))
        return NodePairRequested(status="pending", request=row, created=is_new)

    async def page(self) -> NodePairList:
        """Nodes that wait, and nodes that were approved; without their tokens."""
        oldest_ms = self._clock.now_ms() - REQUEST_TTL_MS
        requests, paired = await self._database.read(
            lambda tx: (records.list_requests(tx), records.list_pairings(tx))
        )
        return NodePairList(
            pending=[_request_row(one) for one in requests if one.created_at_ms >= oldest_ms],
            paired=[_node_row(node) for node in paired],
        )

    async def approve(self, caller: Caller, request_id: str) -> NodePairApproved:
        """Approve a node; the answer is the only one that carries its token.

        Raises:
            Refused: If the request is unknown, decided or too old, or names commands that run
                programs and `caller` is no administrator (advisory B12).
        """
        token = new_secret()
        node = await self._database.write(
            lambda tx: self._approve(tx, caller, request_id, token_digest=digest(token))
        )
        self._audit.record(
            AuditKind.NODE_PAIRED, node=node.node_id, by=caller.device_id or caller.client_id
        )
        self._resolved(request_id, node.node_id, "approved")
        return NodePairApproved(request_id=request_id, node=_node_row(node, token))

    async def reject(self, request_id: str) -> NodePairRejected:
        """Turn a node away; it may ask again.

        Raises:
            Refused: If the request is unknown, decided or too old.
        """
        request = await self._database.write(lambda tx: self._take(tx, request_id))
        self._resolved(request_id, request.node_id, "rejected")
        return NodePairRejected(request_id=request_id, node_id=request.node_id)

    async def verify(self, node_id: str, token: str) -> NodePairVerified:
        """Whether that is the node's token; an unknown node costs the same time."""
        node = await self._database.read(lambda tx: records.find_pairing(tx, node_id))
        if not same_secret(token, node.token_digest if node else None) or node is None:
            return NodePairVerified(ok=False)
        return NodePairVerified(ok=True, node=_node_row(node, token))

    def _request(self, tx: Tx, params: NodePairRequest) -> tuple[NodeRequest, bool]:
        now_ms = self._clock.now_ms()
        records.delete_requests_before(tx, now_ms - REQUEST_TTL_MS)
        waiting = records.request_of(tx, params.node_id)
        if waiting is not None:
            return waiting, False
        if records.count_requests(tx) >= _MAX_REQUESTS:
            raise Refused(
                "too many nodes wait for approval: approve or reject some, or try again in "
                "five minutes"
            )
        request = NodeRequest(
            request_id=new_id(),
            node_id=params.node_id,
            facts=_facts_of(params),
            is_repair=records.find_pairing(tx, params.node_id) is not None,
            created_at_ms=now_ms,
        )
        records.save_request(tx, request)
        return request, True

    def _approve(self, tx: Tx, caller: Caller, request_id: str, *, token_digest: str) -> PairedNode:
        request = self._take(tx, request_id)
        if Scope.ADMIN not in caller.scopes and needs_admin(request.facts.commands or ()):
            raise Refused(
                "missing scope: operator.admin",
                details={"code": "MISSING_SCOPE", "missingScope": Scope.ADMIN.value},
            )
        before = records.find_pairing(tx, request.node_id)
        if before is None and records.count_pairings(tx) >= _MAX_PAIRINGS:
            raise Refused(f"{_MAX_PAIRINGS} nodes are approved, which is the most")
        now_ms = self._clock.now_ms()
        node = PairedNode(
            node_id=request.node_id,
            facts=request.facts,
            token_digest=token_digest,
            created_at_ms=before.created_at_ms if before else now_ms,
            approved_at_ms=now_ms,
        )
        records.save_pairing(tx, node)
        return node

    def _take(self, tx: Tx, request_id: str) -> NodeRequest:
        records.delete_requests_before(tx, self._clock.now_ms() - REQUEST_TTL_MS)
        request = records.find_request(tx, request_id)
        if request is None or not records.delete_request(tx, request_id):
            raise Refused("unknown requestId")
        return request

    def _resolved(
        self, request_id: str, node_id: str, decision: Literal["approved", "rejected"]
    ) -> None:
        payload = NodeDecision(
            request_id=request_id, node_id=node_id, decision=decision, ts=self._clock.now_ms()
        )
        self._publish(Event("node.pair.resolved", payload))


def _facts_of(params: NodePairRequest) -> NodeFacts:
    known = {name: getattr(params, name) for name in NodeFacts.__struct_fields__}
    return NodeFacts(**known)


def _request_row(request: NodeRequest) -> NodePairRequestRow:
    return NodePairRequestRow(
        **msgspec.structs.asdict(request.facts),
        request_id=request.request_id,
        node_id=request.node_id,
        is_repair=request.is_repair,
        ts=request.created_at_ms,
    )


def _node_row(node: PairedNode, token: str | None = None) -> PairedNodeRow:
    return PairedNodeRow(
        **msgspec.structs.asdict(node.facts),
        node_id=node.node_id,
        token=token,
        created_at_ms=node.created_at_ms,
        approved_at_ms=node.approved_at_ms,
    )
