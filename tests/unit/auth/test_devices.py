"""Nobody gives more than they hold, and who is no admin touches only itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.auth.types import Caller
from carapace.errors import Refused
from carapace.protocol.scopes import Role
from support.auth import ADMIN, REMOTE, Identity, Rig, caller, connect_params, rig

BOSS = caller(*ADMIN)
PAIRER = caller("operator.pairing", "operator.read", device_id="f" * 64)


async def _waiting(r: Rig, me: Identity, *scopes: str, **changes: Any) -> str:
    error = await r.refused(connect_params(me, scopes=scopes, **changes), REMOTE)
    assert error.details is not None
    return error.details["requestId"]


async def test_approved_as_asked_and_told():
    async with rig() as r:
        me = Identity()
        request_id = await _waiting(r, me, "operator.admin")
        approved = await r.devices.approve(BOSS, request_id)
        assert approved.request_id == request_id
        assert approved.device.device_id == me.id
        assert approved.device.scopes == ["operator.admin"]
        assert (r.events[-1].name, r.events[-1].payload.decision) == (
            "device.pair.resolved",
            "approved",
        )
        admission = await r.connect(connect_params(me), REMOTE)
        assert admission.caller.granted == ("operator.admin",)


async def test_an_upgrade_widens_the_grant_and_renews_the_token():
    async with rig() as r:
        me = Identity()
        old = (await r.connect(connect_params(me, scopes=["operator.read"]))).device_token
        await r.connect(connect_params(me, scopes=["operator.read", "operator.approvals"]))
        page = await r.devices.page(BOSS)
        assert page.pending[0].is_repair
        await r.devices.approve(BOSS, page.pending[0].request_id)
        admission = await r.connect(connect_params(me, scopes=["operator.approvals"]))
        assert admission.caller.granted == ("operator.approvals",)
        assert old is not None
        assert admission.device_token is not None
        assert admission.device_token.device_token != old.device_token
        assert admission.device_token.scopes == ["operator.read", "operator.approvals"]


async def test_new_commands_of_a_node_keep_its_token():
    async with rig() as r:
        me = Identity()
        node: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}
        first = await r.connect(connect_params(me, scopes=[], commands=["a.b"], **node))
        more = connect_params(me, scopes=[], commands=["a.b", "system.run"], **node)
        assert (await r.connect(more)).caller.commands == ("a.b",)
        request = (await r.devices.page(BOSS)).pending[0]
        assert request.commands == ["a.b", "system.run"]
        await r.devices.approve(BOSS, request.request_id)
        second = await r.connect(more)
        assert second.caller.commands == ("a.b", "system.run")
        assert first.device_token is not None
        assert second.device_token is not None
        assert second.device_token.device_token == first.device_token.device_token


async def test_a_request_is_decided_once():
    async with rig() as r:
        request_id = await _waiting(r, Identity(), "operator.read")

        async def approve() -> bool:
            try:
                await r.devices.approve(BOSS, request_id)
            except Refused:
                return False
            return True

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(approve()) for _ in range(20)]
        assert sum(task.result() for task in tasks) == 1


async def test_rejected_is_told_and_gone():
    async with rig() as r:
        me = Identity()
        request_id = await _waiting(r, me, "operator.read")
        assert (await r.devices.reject(BOSS, request_id)).device_id == me.id
        assert r.events[-1].payload.decision == "rejected"
        for decide in (r.devices.reject, r.devices.approve):
            with pytest.raises(Refused, match="unknown requestId"):
                await decide(BOSS, request_id)
        assert await _waiting(r, me, "operator.read") != request_id


async def test_an_old_request_cannot_be_approved():
    async with rig() as r:
        request_id = await _waiting(r, Identity(), "operator.read")
        await r.clock.advance(301)
        with pytest.raises(Refused, match="unknown requestId"):
            await r.devices.approve(BOSS, request_id)
        assert (await r.devices.page(BOSS)).pending == []


async def test_the_page_shows_devices_to_admins_and_oneself_to_others():
    async with rig() as r:
        me, other = Identity(), Identity()
        await r.connect(connect_params(me))
        await r.connect(connect_params(other))
        await _waiting(r, Identity(), "operator.read")
        assert {row.device_id for row in (await r.devices.page(BOSS)).paired} == {me.id, other.id}
        mine = await r.devices.page(caller("operator.pairing", device_id=me.id))
        assert [row.device_id for row in mine.paired] == [me.id]
        assert len(mine.pending) == 1


async def test_rotation_gives_a_new_token_and_closes_what_the_old_one_opened():
    async with rig() as r:
        me = Identity()
        old = (await r.connect(connect_params(me))).device_token
        assert old is not None
        by_token = (await r.connect(connect_params(me, token=old.device_token))).caller
        rotated = await r.devices.rotate(BOSS, me.id, "operator", ["operator.read"])
        assert rotated.scopes == ["operator.read"]
        assert [closed for closed, _ in r.closed] == [by_token]
        assert "mismatch" in (await r.refused(connect_params(me, token=old.device_token))).message
        reader = connect_params(me, token=rotated.token, scopes=["operator.read"])
        assert (await r.connect(reader)).caller.granted == ("operator.read",)


async def test_a_device_may_renew_its_own_token_and_stays_connected():
    async with rig() as r:
        me = Identity()
        old = (await r.connect(connect_params(me, scopes=["operator.pairing"]))).device_token
        assert old is not None
        params = connect_params(me, scopes=["operator.pairing"], token=old.device_token)
        mine: Caller = (await r.connect(params)).caller
        other: Caller = (await r.connect(params)).caller
        rotated = await r.devices.rotate(mine, me.id, "operator")
        assert rotated.scopes == ["operator.pairing"]
        assert [closed for closed, _ in r.closed] == [other]


async def test_revocation_closes_everything_of_the_role():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        node: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}
        as_node = (await r.connect(connect_params(me, scopes=[], **node))).caller
        await r.connect(connect_params(me, scopes=[*ADMIN]))
        await r.devices.revoke(BOSS, me.id, "operator")
        assert r.live == [as_node]
        assert {reason for _, reason in r.closed} == {"device token revoked"}
        assert (await r.devices.page(BOSS)).pending == []
        assert "device.token_revoked" in r.kinds()


async def test_after_revocation_only_an_approval_helps():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=[*ADMIN]))
        await r.devices.revoke(BOSS, me.id, "operator")
        error = await r.refused(connect_params(me, scopes=["operator.read"]))
        assert error.message == "pairing required"
        assert error.details is not None
        await r.devices.approve(BOSS, error.details["requestId"])
        admission = await r.connect(connect_params(me, scopes=["operator.read"]))
        assert admission.caller.granted == ("operator.read",)
        assert admission.device_token is not None
        assert admission.device_token.scopes == ["operator.read"]


@pytest.mark.parametrize(("device", "role"), [("nope", "operator"), ("me", "node"), ("me", "boss")])
async def test_unknown_device_or_role(device: str, role: str):
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        device_id = me.id if device == "me" else device
        with pytest.raises(Refused, match="unknown deviceId/role"):
            await r.devices.rotate(BOSS, device_id, role)
        with pytest.raises(Refused, match="unknown deviceId/role"):
            await r.devices.revoke(BOSS, device_id, role)


async def test_a_refused_gift_is_recorded():
    async with rig() as r:
        request_id = await _waiting(r, Identity(), "operator.admin")
        with pytest.raises(Refused, match=r"missing scope: operator\.admin") as refused:
            await r.devices.approve(PAIRER, request_id)
        assert refused.value.details == {
            "code": "MISSING_SCOPE",
            "missingScope": "operator.admin",
        }
        assert r.kinds()[-1] == "auth.scope_denied"
        assert len((await r.devices.page(BOSS)).pending) == 1


async def test_roles_are_kept_apart():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        device = await r.pairing.find(me.id)
        assert device is not None
        assert set(device.grants) == {Role.OPERATOR}


async def test_rotation_beyond_the_approval_changes_nothing():
    async with rig() as r:
        me = Identity()
        hello = (await r.connect(connect_params(me, scopes=["operator.read"]))).device_token
        assert hello is not None
        with pytest.raises(Refused, match="not approved"):
            await r.devices.rotate(BOSS, me.id, "operator", ["operator.write"])
        params = connect_params(me, scopes=["operator.read"], token=hello.device_token)
        assert await r.connect(params)


async def test_programs_on_a_node_need_an_admins_yes():
    async with rig() as r:
        node: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}
        request_id = await _waiting(r, Identity(), commands=["system.run"], **node)
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await r.devices.approve(PAIRER, request_id)


async def test_revocation_drops_what_the_device_was_still_asking_for():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=["operator.read"]))
        await r.connect(connect_params(me, scopes=[*ADMIN]))
        assert len((await r.devices.page(BOSS)).pending) == 1
        await r.devices.revoke(BOSS, me.id, "operator")
        assert (await r.devices.page(BOSS)).pending == []
