"""Which nodes there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.auth.platform import Platform
from carapace.auth.records import Grant, PairedDevice, save_device, save_grant
from carapace.config.settings.nodes import NodesSettings
from carapace.errors import Refused
from carapace.ids import DeviceId
from carapace.nodes.catalogue import NodeCatalogue
from carapace.nodes.live import LiveNodes
from carapace.nodes.records import PairedNode, find_pairing, save_pairing
from carapace.protocol.nodes import NodeFacts
from carapace.protocol.scopes import Role
from support.clock import FakeClock
from support.database import memory_database
from support.nodes import live

GRANT = Grant(Role.NODE, (), ("camera.snap",), (), 1, "d" * 64, 1)
DEVICE = PairedDevice(
    device_id=DeviceId("n1"),
    public_key="k",
    display_name="Phone",
    platform="iOS 17",
    client_id="node-host",
    client_mode="node",
    remote_ip="10.0.0.9",
    created_at_ms=1,
    approved_at_ms=1,
)


class World:
    def __init__(self, database: Any) -> None:
        self.database, self.live = database, LiveNodes()
        self.settings = NodesSettings()
        self.catalogue = NodeCatalogue(
            database, self.live, settings=lambda: self.settings, clock=FakeClock()
        )

    async def device(self, node_id: str, name: str = "Phone", grant: Grant = GRANT) -> None:
        device = replace(DEVICE, device_id=DeviceId(node_id), display_name=name)
        await self.database.write(lambda tx: save_device(tx, device))
        await self.database.write(lambda tx: save_grant(tx, node_id, grant))


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    async with memory_database() as database:
        yield World(database)


async def test_a_paired_device_that_is_not_there_offers_nothing() -> None:
    async with world() as w:
        await w.device("n1")
        (row,) = (await w.catalogue.all()).nodes
        assert (row.node_id, row.display_name, row.platform) == ("n1", "Phone", "iOS 17")
        assert (row.caps, row.commands, row.paired, row.connected) == ((), (), True, False)
        assert (row.remote_ip, row.connected_at_ms) == ("10.0.0.9", None)


async def test_a_device_that_is_no_node_or_is_one_no_more_is_not_listed() -> None:
    async with world() as w:
        await w.device("d1", grant=replace(GRANT, role=Role.OPERATOR))
        await w.device("d2", grant=replace(GRANT, revoked_at_ms=5))
        assert (await w.catalogue.all()).nodes == []
        for node_id in ("d1", "d2", "d3"):
            with pytest.raises(Refused, match="unknown nodeId"):
                await w.catalogue.one(node_id)


async def test_a_connected_node_shows_what_it_may_be_asked_in_order() -> None:
    async with world() as w:
        await w.device("n1")
        offers = ("system.run", "canvas.present", "camera.snap", "door.open")
        w.live.add(live("n1", commands=offers, caps=("camera", "canvas"), display_name="Live"))
        row = await w.catalogue.one("n1")
        assert row.commands == ("camera.snap", "canvas.present")
        assert (row.caps, row.display_name) == (("camera", "canvas"), "Live")
        assert (row.paired, row.connected) == (True, True)
        w.settings = NodesSettings(allow_commands=("door.open",), deny_commands=("camera.snap",))
        assert (await w.catalogue.one("n1")).commands == ("canvas.present", "door.open")


async def test_a_node_of_an_unknown_platform_may_be_asked_nothing() -> None:
    async with world() as w:
        w.live.add(live("n1", platform=Platform.UNKNOWN))
        row = await w.catalogue.one("n1")
        assert (row.commands, row.paired, row.connected) == ((), False, True)


async def test_connected_nodes_come_first_then_names_in_order() -> None:
    async with world() as w:
        for node_id, name in (("n1", "beta"), ("n2", "Alpha"), ("n3", "gamma")):
            await w.device(node_id, name)
        w.live.add(live("n3"))
        assert [row.node_id for row in (await w.catalogue.all()).nodes] == ["n3", "n2", "n1"]


async def test_what_people_call_a_node_counts_over_what_it_calls_itself() -> None:
    async with world() as w:
        await w.device("n1")
        answer = await w.catalogue.rename("n1", "  Mine ")
        assert (answer.node_id, answer.display_name) == ("n1", "Mine")
        assert (await w.catalogue.one("n1")).display_name == "Mine"
        w.live.add(live("n1", display_name="Its own"))
        assert (await w.catalogue.one("n1")).display_name == "Mine"


async def test_a_node_of_the_older_list_is_renamed_there() -> None:
    node = PairedNode("old", NodeFacts(display_name="Old", version="1"), "d" * 64, 1, 1)
    async with world() as w:
        await w.database.write(lambda tx: save_pairing(tx, node))
        await w.catalogue.rename("old", "New")
        kept = await w.database.read(lambda tx: find_pairing(tx, "old"))
        assert kept == replace(node, facts=NodeFacts(display_name="New", version="1"))


@pytest.mark.parametrize(
    ("node_id", "name", "text"),
    [("n1", "  ", "displayName required"), ("x", "X", "unknown nodeId")],
)
async def test_a_blank_name_and_an_unknown_node_are_refused(
    node_id: str, name: str, text: str
) -> None:
    async with world() as w:
        await w.device("n1")
        with pytest.raises(Refused, match=text):
            await w.catalogue.rename(node_id, name)
