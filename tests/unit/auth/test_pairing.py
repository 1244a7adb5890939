"""The pairing policy, and that it is applied once, in one transaction."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from carapace.auth.device import Device
from carapace.auth.pairing import Asking, Enter, Pair, Wait, rule
from carapace.auth.records import Grant, PairedDevice, find_device, save_grant
from carapace.auth.types import CredentialKind
from carapace.ids import DeviceId
from carapace.protocol.scopes import Role
from support.auth import ADMIN, LOCAL, REMOTE, Identity, connect_params, rig

ME = DeviceId("a" * 64)
READ = ("operator.read",)
GRANT = Grant(Role.OPERATOR, READ, (), READ, 1, "digest", 1)
DEVICE = PairedDevice(ME, "key", None, "linux", "cli", "cli", None, 1, 1, {Role.OPERATOR: GRANT})
ASKING = Asking(
    device=Device(ME, "key"),
    role=Role.OPERATOR,
    wish=ADMIN,
    commands=(),
    client=connect_params().client,
    remote_ip="127.0.0.1",
    is_local=True,
    credential=CredentialKind.TOKEN,
)


def test_a_new_local_device_with_the_shared_credential_is_paired():
    assert rule(None, ASKING) == Pair(ADMIN)
    assert rule(None, replace(ASKING, credential=CredentialKind.PASSWORD)) == Pair(ADMIN)


def test_no_wish_is_admin_for_operators_and_nothing_for_nodes():
    assert rule(None, replace(ASKING, wish=None)) == Pair(("operator.admin",))
    assert rule(None, replace(ASKING, wish=None, role=Role.NODE)) == Pair(())
    assert rule(None, replace(ASKING, wish=())) == Pair(())


@pytest.mark.parametrize(
    "asking",
    [
        replace(ASKING, is_local=False),
        replace(ASKING, credential=CredentialKind.TAILSCALE),
        replace(ASKING, credential=CredentialKind.DEVICE_TOKEN),
    ],
)
def test_any_other_new_device_waits(asking: Asking):
    assert rule(None, asking) == Wait(ADMIN)


def test_a_known_device_gets_what_was_approved_and_asks_for_the_rest():
    assert rule(DEVICE, ASKING) == Enter(GRANT, READ, ADMIN, DEVICE.platform)
    assert rule(DEVICE, replace(ASKING, wish=READ)) == Enter(GRANT, READ, None, DEVICE.platform)


def test_naming_no_scopes_is_no_request_for_more():
    assert rule(DEVICE, replace(ASKING, wish=None)) == Enter(GRANT, READ, None, DEVICE.platform)


def test_by_token_the_tokens_scopes_are_the_ceiling():
    grant = replace(GRANT, scopes=ADMIN, token_scopes=READ)
    device = replace(DEVICE, grants={Role.OPERATOR: grant})
    by_token = replace(ASKING, credential=CredentialKind.DEVICE_TOKEN)
    assert rule(device, by_token) == Enter(grant, READ, None, DEVICE.platform)
    assert rule(device, ASKING) == Enter(grant, ADMIN, None, DEVICE.platform)


def test_a_second_role_pairs_silently_unless_something_was_revoked():
    node = replace(ASKING, role=Role.NODE, wish=())
    assert rule(DEVICE, node) == Pair(())
    revoked = replace(DEVICE, grants={Role.OPERATOR: replace(GRANT, revoked_at_ms=5)})
    assert rule(revoked, node) == Wait(())
    assert rule(revoked, ASKING) == Wait(ADMIN)


def test_a_node_that_offers_more_asks_again():
    grant = replace(GRANT, role=Role.NODE, scopes=(), commands=("camera.snap",))
    device = replace(DEVICE, grants={Role.NODE: grant})
    node = replace(ASKING, role=Role.NODE, wish=(), commands=("camera.snap",))
    assert rule(device, node) == Enter(grant, (), None, DEVICE.platform)
    more = replace(node, commands=("camera.snap", "system.run"))
    assert rule(device, more) == Enter(grant, (), (), DEVICE.platform)


def test_a_node_that_says_it_is_another_system_asks_again_and_stays_what_it_was():
    grant = replace(GRANT, role=Role.NODE, scopes=(), commands=())
    device = replace(DEVICE, platform="iOS 17.2", grants={Role.NODE: grant})
    newer = connect_params(platform="iOS 18.0").client
    node = replace(ASKING, role=Role.NODE, wish=(), client=newer)
    assert rule(device, node) == Enter(grant, (), None, "iOS 17.2")
    moved = replace(node, client=connect_params(platform="macOS 26").client)
    assert rule(device, moved) == Enter(grant, (), (), "iOS 17.2")
    operator = replace(DEVICE, platform="iOS 17.2")
    assert rule(operator, replace(ASKING, wish=READ)) == Enter(GRANT, READ, None, "iOS 17.2")


async def test_silent_pairing_is_told_once():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        await r.connect(connect_params(me))
        assert [event.name for event in r.events] == ["device.pair.resolved"]
        assert r.events[0].payload.decision == "approved"
        assert r.kinds() == ["device.paired"]


async def test_a_waiting_device_keeps_its_request_until_its_wish_changes():
    async with rig() as r:
        me = Identity()

        async def request_id(*scopes: str) -> str:
            error = await r.refused(connect_params(me, scopes=scopes), REMOTE)
            assert error.details is not None
            return error.details["requestId"]

        first = await request_id("operator.read")
        assert await request_id("operator.read") == first
        assert await request_id("operator.admin") != first
        assert [event.name for event in r.events] == ["device.pair.requested"] * 2
        assert r.events[0].payload.request_id == first
        assert r.events[0].payload.is_repair is False


async def test_a_request_lives_five_minutes():
    async with rig() as r:
        me = Identity()
        first = (await r.refused(connect_params(me), REMOTE)).details
        await r.clock.advance(301)
        second = (await r.refused(connect_params(me), REMOTE)).details
        assert first != second


async def test_waiting_requests_are_capped_per_address():
    async with rig() as r:
        for _ in range(10):
            assert (await r.refused(connect_params(Identity()), REMOTE)).details
        full = await r.refused(connect_params(Identity()), REMOTE)
        assert (full.code, full.reason, full.retry_after_ms) == (
            "NOT_PAIRED",
            "pairing-full",
            300_000,
        )
        elsewhere = replace(REMOTE, client_ip="192.0.2.8")
        assert (await r.refused(connect_params(Identity()), elsewhere)).details


async def test_parallel_first_connects_pair_once():
    async with rig() as r:
        me = Identity()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(r.connect(connect_params(me))) for _ in range(8)]
        hellos = [task.result().device_token for task in tasks]
        tokens = {hello.device_token for hello in hellos if hello is not None}
        assert len(tokens) == 1
        assert r.kinds() == ["device.paired"]


async def test_use_of_a_token_is_noted_a_minute_coarse():
    async with rig() as r:
        me = Identity()
        hello = (await r.connect(connect_params(me))).device_token
        assert hello is not None

        async def last_used_ms() -> int | None:
            device = await r.pairing.find(me.id)
            assert device is not None
            return device.grants[Role.OPERATOR].last_used_at_ms

        assert await last_used_ms() is None
        await r.connect(connect_params(me, token=hello.device_token))
        first = await last_used_ms()
        assert first == r.clock.now_ms()
        await r.clock.advance(59)
        await r.connect(connect_params(me, token=hello.device_token))
        assert await last_used_ms() == first
        await r.clock.advance(1)
        await r.connect(connect_params(me, token=hello.device_token))
        assert await last_used_ms() == r.clock.now_ms()


async def test_a_replaced_vault_key_makes_a_new_token_and_keeps_the_pairing():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        device = await r.pairing.find(me.id)
        assert device is not None
        stale = replace(device.grants[Role.OPERATOR], token_digest="0" * 64)
        await r.database.write(lambda tx: save_grant(tx, me.id, stale))
        hello = (await r.connect(connect_params(me))).device_token
        assert hello is not None
        assert await r.connect(connect_params(me, token=hello.device_token), REMOTE)
        found = await r.database.read(lambda tx: find_device(tx, me.id))
        assert found.grants[Role.OPERATOR].generation == 2


async def test_long_display_names_are_cut():
    async with rig() as r:
        client = {"id": "cli", "version": "1", "platform": "p" * 999, "mode": "cli"}
        me = Identity()
        await r.connect(connect_params(me, client={**client, "displayName": "n" * 999}), LOCAL)
        device = await r.pairing.find(me.id)
        assert device is not None
        assert (len(device.platform), len(device.display_name or "")) == (256, 256)
