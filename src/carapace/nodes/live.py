"""The nodes that are connected now."""

from __future__ import annotations

from carapace.auth.platform import platform_of
from carapace.auth.types import Caller
from carapace.ids import ConnId
from carapace.nodes.types import LiveNode

__all__ = ["LiveNodes", "live_node"]


class LiveNodes:
    """Nodes by id; of two connections of one node the newer one counts."""

    def __init__(self) -> None:
        self._by_id: dict[str, LiveNode] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, node: LiveNode) -> None:
        """`node` is connected."""
        self._by_id[node.node_id] = node

    def remove(self, conn_id: ConnId, node_id: str) -> bool:
        """A connection ended; False if a newer one of the same node had taken its place."""
        node = self._by_id.get(node_id)
        if node is None or node.conn_id != conn_id:
            return False
        del self._by_id[node_id]
        return True

    def get(self, node_id: str) -> LiveNode | None:
        """The node, if it is connected."""
        return self._by_id.get(node_id)

    def all(self) -> tuple[LiveNode, ...]:
        """Every connected node."""
        return tuple(self._by_id.values())


def live_node(caller: Caller, remote_ip: str | None, now_ms: int) -> LiveNode | None:
    """What the rules need to know of a caller that is a node; None if it is none."""
    if caller.device_id is None or caller.claims is None:
        return None
    client = caller.client
    return LiveNode(
        conn_id=caller.conn_id,
        node_id=caller.device_id,
        platform=platform_of(caller.claims.platform),
        commands=caller.commands,
        connected_at_ms=now_ms,
        display_name=client.display_name if client else None,
        shown_platform=client.platform if client else None,
        version=client.version if client else None,
        device_family=client.device_family if client else None,
        model_identifier=client.model_identifier if client else None,
        remote_ip=remote_ip,
        caps=caller.claims.caps,
        permissions=caller.claims.permissions,
    )
