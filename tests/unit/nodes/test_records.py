"""The room's rows."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.nodes import records
from carapace.nodes.records import NodeRequest, PairedNode
from carapace.protocol.nodes import NodeFacts
from support.database import memory_database

REQUEST = NodeRequest("q1", "n1", NodeFacts(platform="linux", commands=("system.run",)), False, 5)
NODE = PairedNode("n1", NodeFacts(display_name="One", caps=("camera",)), "d" * 64, 5, 6)


async def test_a_request_is_kept_found_and_taken_once() -> None:
    async with memory_database() as database:
        await database.write(lambda tx: records.save_request(tx, REQUEST))
        assert await database.read(lambda tx: records.find_request(tx, "q1")) == REQUEST
        assert await database.read(lambda tx: records.request_of(tx, "n1")) == REQUEST
        assert await database.read(records.count_requests) == 1
        assert await database.write(lambda tx: records.delete_request(tx, "q1"))
        assert not await database.write(lambda tx: records.delete_request(tx, "q1"))
        assert await database.read(lambda tx: records.find_request(tx, "q1")) is None
        assert await database.read(lambda tx: records.request_of(tx, "n1")) is None


async def test_a_node_has_one_request_and_old_ones_are_forgotten() -> None:
    later = replace(REQUEST, request_id="q2", created_at_ms=9, is_repair=True)
    other = replace(REQUEST, request_id="q3", node_id="n2", created_at_ms=7)
    async with memory_database() as database:
        for request in (REQUEST, later, other):
            await database.write(lambda tx, one=request: records.save_request(tx, one))
        assert await database.read(records.list_requests) == [later, other]
        await database.write(lambda tx: records.delete_requests_before(tx, 9))
        assert await database.read(records.list_requests) == [later]


async def test_an_approval_keeps_the_time_of_the_first_one() -> None:
    again = replace(NODE, token_digest="e" * 64, created_at_ms=99, approved_at_ms=99)
    async with memory_database() as database:
        assert await database.read(lambda tx: records.find_pairing(tx, "n1")) is None
        for node in (NODE, again):
            await database.write(lambda tx, one=node: records.save_pairing(tx, one))
        kept = replace(again, created_at_ms=5)
        assert await database.read(lambda tx: records.find_pairing(tx, "n1")) == kept
        assert await database.read(records.list_pairings) == [kept]
        assert await database.read(records.count_pairings) == 1


async def test_a_name_can_be_changed() -> None:
    async with memory_database() as database:
        assert await database.read(lambda tx: records.name_of(tx, "n1")) is None
        for name in ("One", "Two"):
            await database.write(lambda tx, text=name: records.save_name(tx, "n1", text))
        assert await database.read(lambda tx: records.name_of(tx, "n1")) == "Two"
        assert await database.read(records.list_names) == {"n1": "Two"}


async def test_words_that_wake_are_one_row() -> None:
    async with memory_database() as database:
        assert await database.read(records.load_triggers) is None
        for words in (("a", "b"), ("c",)):
            await database.write(lambda tx, some=words: records.save_triggers(tx, some, 1))
        assert await database.read(records.load_triggers) == ("c",)
