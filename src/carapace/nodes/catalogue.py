"""Which nodes there are: devices that may connect as one, and those that are connected."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from carapace.auth.records import PairedDevice, find_device, list_devices
from carapace.clock import Clock
from carapace.config.settings.nodes import NodesSettings
from carapace.errors import Refused
from carapace.nodes import records
from carapace.nodes.live import LiveNodes
from carapace.nodes.policy import allowed_commands
from carapace.nodes.types import LiveNode
from carapace.protocol.nodes import NodeDescription, NodeList, NodeRenamed, NodeRow
from carapace.protocol.scopes import Role
from carapace.store.ports import Database, Tx

__all__ = ["NodeCatalogue"]


class NodeCatalogue:
    """`node.list`, `node.describe` and `node.rename`.

    Args:
        database: Where devices and names are.
        live: The nodes that are connected.
        settings: `gateway.nodes` as it is now.
        clock: For the time of an answer.
    """

    def __init__(
        self,
        database: Database,
        live: LiveNodes,
        *,
        settings: Callable[[], NodesSettings],
        clock: Clock,
    ) -> None:
        self._database = database
        self._live = live
        self._settings = settings
        self._clock = clock

    async def all(self) -> NodeList:
        """Every node: connected ones first, then by name."""
        devices, names = await self._database.read(
            lambda tx: ([one for one in list_devices(tx) if _is_node(one)], records.list_names(tx))
        )
        paired = {device.device_id: device for device in devices}
        ids = dict.fromkeys([*paired, *(node.node_id for node in self._live.all())])
        rows = [self._row(one, paired.get(one), names.get(one)) for one in ids]
        rows.sort(key=_order)
        return NodeList(ts=self._clock.now_ms(), nodes=rows)

    async def one(self, node_id: str) -> NodeDescription:
        """One node.

        Raises:
            Refused: If there is none of that id.
        """
        device, name = await self._database.read(
            lambda tx: (_device(tx, node_id), records.name_of(tx, node_id))
        )
        if device is None and self._live.get(node_id) is None:
            raise Refused("unknown nodeId")
        row = self._row(node_id, device, name)
        return NodeDescription(**msgspec.structs.asdict(row), ts=self._clock.now_ms())

    async def rename(self, node_id: str, display_name: str) -> NodeRenamed:
        """Call a node something else, in both lists.

        Raises:
            Refused: If there is none of that id, or the name is blank.
        """
        name = display_name.strip()
        if not name:
            raise Refused("displayName required")
        await self._database.write(lambda tx: _rename(tx, node_id, name))
        return NodeRenamed(node_id=node_id, display_name=name)

    def _row(self, node_id: str, device: PairedDevice | None, name: str | None) -> NodeRow:
        live = self._live.get(node_id)
        if live is not None:
            return self._live_row(live, name, is_paired=device is not None)
        return NodeRow(
            node_id=node_id,
            display_name=name or (device.display_name if device else None),
            platform=device.platform if device else None,
            remote_ip=device.remote_ip if device else None,
            caps=(),
            commands=(),
            paired=device is not None,
            connected=False,
        )

    def _live_row(self, live: LiveNode, name: str | None, *, is_paired: bool) -> NodeRow:
        allowed = allowed_commands(live.platform, self._settings())
        return NodeRow(
            node_id=live.node_id,
            display_name=name or live.display_name,
            platform=live.shown_platform,
            version=live.version,
            device_family=live.device_family,
            model_identifier=live.model_identifier,
            remote_ip=live.remote_ip,
            caps=tuple(sorted(live.caps)),
            commands=tuple(sorted(allowed.intersection(live.commands))),
            permissions=live.permissions,
            connected_at_ms=live.connected_at_ms,
            paired=is_paired,
            connected=True,
        )


def _order(row: NodeRow) -> tuple[bool, str, str]:
    return (not row.connected, (row.display_name or row.node_id).casefold(), row.node_id)


def _is_node(device: PairedDevice) -> bool:
    grant = device.grants.get(Role.NODE)
    return grant is not None and grant.revoked_at_ms is None


def _device(tx: Tx, node_id: str) -> PairedDevice | None:
    device = find_device(tx, node_id)
    return device if device is not None and _is_node(device) else None


def _rename(tx: Tx, node_id: str, name: str) -> None:
    older = records.find_pairing(tx, node_id)
    if older is None and _device(tx, node_id) is None:
        raise Refused("unknown nodeId")
    if older is not None:
        facts = msgspec.structs.replace(older.facts, display_name=name)
        records.save_pairing(tx, replace(older, facts=facts))
    records.save_name(tx, node_id, name)
