"""Rows come back as they went in, and ids are compared byte for byte."""

from __future__ import annotations

import dataclasses
import sqlite3

import pytest
from msgspec.structs import replace

from carapace.channels.access import records
from carapace.channels.access.records import AllowedSender, PairingRequest
from support.database import memory_database

ALICE = AllowedSender(
    channel="webhook",
    account="default",
    sender_id="alice",
    display_name="Al",
    approved_by="operator",
    approved_at_ms=5,
)
ASKS = PairingRequest(
    channel="webhook",
    account="default",
    sender_id="bob",
    display_name=None,
    conversation="c1",
    thread_id="t1",
    code="ABCD2345",
    created_at_ms=10,
    expires_at_ms=20,
)


async def test_who_was_let_in_is_found_at_that_account_only():
    async with memory_database() as database:
        await database.write(lambda tx: records.allow(tx, ALICE))
        for channel, account, sender, expected in (
            ("webhook", "default", "alice", True),
            ("webhook", "default", "Alice", False),
            ("webhook", "default", "alice ", False),
            ("webhook", "two", "alice", False),
            ("telegram", "default", "alice", False),
        ):
            found = await database.read(
                lambda tx, c=channel, a=account, s=sender: records.is_allowed(tx, c, a, s)
            )
            assert found is expected


async def test_letting_in_twice_keeps_the_first_decision():
    async with memory_database() as database:
        await database.write(lambda tx: records.allow(tx, ALICE))
        await database.write(lambda tx: records.allow(tx, replace(ALICE, approved_by="other")))
        assert await database.read(records.list_allowed) == [ALICE]


async def test_the_latest_stand_first():
    later = replace(ALICE, sender_id="zoe", approved_at_ms=6)
    async with memory_database() as database:
        for one in (ALICE, later):
            await database.write(lambda tx, one=one: records.allow(tx, one))
        assert await database.read(records.list_allowed) == [later, ALICE]


@pytest.mark.parametrize(("account", "removed"), [("default", 1), (None, 2), ("three", 0)])
async def test_somebody_is_put_out_at_one_account_or_at_all(account: str | None, removed: int):
    async with memory_database() as database:
        for one in (ALICE, replace(ALICE, account="two"), replace(ALICE, channel="telegram")):
            await database.write(lambda tx, one=one: records.allow(tx, one))
        gone = await database.write(lambda tx: records.disallow(tx, "webhook", account, "alice"))
        assert gone == removed
        assert len(await database.read(records.list_allowed)) == 3 - removed


async def test_a_request_round_trips():
    async with memory_database() as database:
        await database.write(lambda tx: records.save_request(tx, ASKS))
        found = await database.read(lambda tx: records.request_of(tx, "webhook", "default", "bob"))
        assert found == ASKS
        assert "ABCD2345" not in repr(found)
        nobody = await database.read(lambda tx: records.request_of(tx, "webhook", "two", "bob"))
        assert nobody is None
        assert await database.read(lambda tx: records.has_code(tx, "ABCD2345"))
        assert not await database.read(lambda tx: records.has_code(tx, "ABCD2346"))


async def test_who_waits_is_listed_by_place_until_it_expires():
    other = dataclasses.replace(ASKS, account="two", code="BBBB2345", created_at_ms=9)
    async with memory_database() as database:
        for one in (ASKS, other):
            await database.write(lambda tx, one=one: records.save_request(tx, one))

        async def waiting(channel: str | None, account: str | None, now_ms: int) -> list[str]:
            found = await database.read(
                lambda tx: records.list_waiting(tx, channel, account, now_ms=now_ms)
            )
            return [one.account for one in found]

        assert await waiting(None, None, 19) == ["two", "default"]
        assert await waiting("webhook", "two", 19) == ["two"]
        assert await waiting("telegram", None, 19) == []
        assert await waiting(None, None, 20) == []
        assert await database.read(lambda tx: records.count_waiting(tx, "webhook", "two")) == 1


async def test_requests_go_when_settled_or_expired():
    other = dataclasses.replace(ASKS, sender_id="carol", code="BBBB2345", expires_at_ms=30)
    async with memory_database() as database:
        for one in (ASKS, other):
            await database.write(lambda tx, one=one: records.save_request(tx, one))
        assert await database.write(lambda tx: records.delete_expired(tx, now_ms=20)) == 1
        await database.write(lambda tx: records.delete_request(tx, other))
        assert await database.read(lambda tx: records.list_waiting(tx, now_ms=0)) == []


async def test_the_database_takes_nobody_without_an_id():
    async with memory_database() as database:
        with pytest.raises(sqlite3.IntegrityError):
            await database.write(lambda tx: records.allow(tx, replace(ALICE, sender_id="")))
