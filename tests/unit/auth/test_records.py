"""Rows come back as they went in."""

from __future__ import annotations

from msgspec.structs import replace

from carapace.auth import records
from carapace.auth.records import Grant, PairedDevice, PairRequest
from carapace.ids import DeviceId
from carapace.protocol.scopes import Role
from carapace.store.ports import Tx
from support.database import memory_database

ME = DeviceId("a" * 64)
GRANT = Grant(Role.NODE, (), ("camera.snap",), (), 2, "d" * 64, 1, 2, 3, 4)
DEVICE = PairedDevice(ME, "key", "phone", "ios", "node-host", "node", "192.0.2.7", 1, 2)
REQUEST = PairRequest(
    request_id="r1",
    device_id=ME,
    public_key="key",
    role=Role.OPERATOR,
    scopes=("operator.read",),
    commands=(),
    display_name=None,
    platform="linux",
    client_id="cli",
    client_mode="cli",
    remote_ip="192.0.2.7",
    is_repair=True,
    created_at_ms=100,
)


async def test_device_and_grants_round_trip():
    def save(tx: Tx) -> None:
        records.save_device(tx, DEVICE)
        records.save_grant(tx, ME, GRANT)
        records.save_grant(tx, ME, replace(GRANT, role=Role.OPERATOR, scopes=("operator.read",)))

    async with memory_database() as database:
        assert await database.read(lambda tx: records.find_device(tx, ME)) is None
        await database.write(save)
        found = await database.read(lambda tx: records.find_device(tx, ME))
        assert found is not None
        assert found.grants[Role.NODE] == GRANT
        assert found.grants[Role.OPERATOR].scopes == ("operator.read",)
        assert replace(found, grants={}) == DEVICE
        assert await database.read(records.list_devices) == [found]


async def test_saving_again_refreshes_and_keeps_the_birthday():
    async with memory_database() as database:
        await database.write(lambda tx: records.save_device(tx, DEVICE))
        later = replace(DEVICE, display_name="new", created_at_ms=99, approved_at_ms=99)
        await database.write(lambda tx: records.save_device(tx, later))
        found = await database.read(lambda tx: records.find_device(tx, ME))
        assert found is not None
        assert (found.display_name, found.created_at_ms, found.approved_at_ms) == ("new", 1, 99)


async def test_touch_changes_one_role_only():
    def work(tx: Tx) -> PairedDevice | None:
        records.save_device(tx, DEVICE)
        records.save_grant(tx, ME, GRANT)
        records.save_grant(tx, ME, replace(GRANT, role=Role.OPERATOR))
        records.touch_grant(tx, ME, Role.NODE, 77)
        return records.find_device(tx, ME)

    async with memory_database() as database:
        found = await database.write(work)
        assert found is not None
        assert found.grants[Role.NODE].last_used_at_ms == 77
        assert found.grants[Role.OPERATOR].last_used_at_ms == 4


async def test_a_device_has_one_request_a_role_and_only_one_decision():
    def work(tx: Tx) -> None:
        records.save_request(tx, REQUEST)
        records.save_request(tx, replace(REQUEST, request_id="r2", scopes=("operator.admin",)))
        assert records.find_request(tx, "r1") is None
        newest = records.request_of(tx, ME, Role.OPERATOR)
        assert newest is not None
        assert newest.request_id == "r2"
        assert records.request_of(tx, ME, Role.NODE) is None
        assert records.list_requests(tx) == [newest]
        assert records.count_requests(tx, "192.0.2.7") == (1, 1)
        assert records.count_requests(tx, "192.0.2.8") == (1, 0)
        assert records.delete_request(tx, "r2")
        assert not records.delete_request(tx, "r2")

    async with memory_database() as database:
        await database.write(work)


async def test_old_requests_are_forgotten():
    def work(tx: Tx) -> list[PairRequest]:
        records.save_request(tx, REQUEST)
        records.delete_requests_before(tx, 100)
        assert records.list_requests(tx) == [REQUEST]
        records.delete_requests_before(tx, 101)
        return records.list_requests(tx)

    async with memory_database() as database:
        assert await database.write(work) == []
