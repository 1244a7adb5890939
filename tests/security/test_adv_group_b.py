"""Advisories of group B that concern devices and their tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carapace.auth.types import Caller
from carapace.errors import Refused
from carapace.protocol.scopes import Scope
from support.auth import (
    ADMIN,
    LOCAL,
    REMOTE,
    SHARED,
    Identity,
    Rig,
    caller,
    connect_params,
    gateway,
    origin_of,
    rig,
)

BOSS = caller(*ADMIN)
NODE: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}


async def _paired(r: Rig, *scopes: str) -> tuple[Identity, Caller, str]:
    me = Identity()
    admission = await r.connect(connect_params(me, scopes=scopes))
    assert admission.device_token is not None
    return me, admission.caller, admission.device_token.device_token


async def _request(r: Rig, me: Identity, *scopes: str, **fields: Any) -> str:
    error = await r.refused(connect_params(me, scopes=scopes, **fields), REMOTE)
    assert error.details is not None
    return error.details["requestId"]


async def test_adv_b01_rotation_stays_within_caller_and_approval():
    async with rig() as r:
        me, _, token = await _paired(r, "operator.read", "operator.pairing")
        mine = caller("operator.pairing", device_id=me.id)
        for who, scopes in (
            (BOSS, ["operator.admin"]),
            (mine, ["operator.admin"]),
            (mine, ["operator.read"]),
            (mine, None),
        ):
            with pytest.raises(Refused):
                await r.devices.rotate(who, me.id, "operator", scopes)
        params = connect_params(me, token=token, scopes=["operator.read"])
        assert await r.connect(params)


async def test_adv_b02_rotation_of_a_role_never_approved():
    async with rig() as r:
        me, _, _ = await _paired(r, "operator.read")
        with pytest.raises(Refused, match="unknown deviceId/role"):
            await r.devices.rotate(BOSS, me.id, "node")


@pytest.mark.parametrize("wish", ["operator.admin", "operator.approvals", "operator.write"])
async def test_adv_b03_approver_cannot_give_more_than_it_holds(wish: str):
    async with rig() as r:
        request_id = await _request(r, Identity(), wish)
        pairer = caller("operator.pairing", "operator.read", device_id="f" * 64)
        with pytest.raises(Refused, match="missing scope") as refused:
            await r.devices.approve(pairer, request_id)
        assert refused.value.details == {"code": "MISSING_SCOPE", "missingScope": wish}


async def test_adv_b04_a_device_manages_only_itself():
    async with rig() as r:
        me, _, _ = await _paired(r, "operator.pairing")
        other, _, _ = await _paired(r, "operator.read")
        mine = caller("operator.pairing", "operator.read", device_id=me.id)
        assert [row.device_id for row in (await r.devices.page(mine)).paired] == [me.id]
        with pytest.raises(Refused):
            await r.devices.revoke(mine, other.id, "operator")
        with pytest.raises(Refused):
            await r.devices.rotate(mine, other.id, "operator", [])
        await r.devices.revoke(mine, me.id, "operator")


async def test_adv_b05_empty_scopes_are_none_not_all():
    async with rig() as r:
        me, _, _ = await _paired(r, *ADMIN)
        nothing = await r.connect(connect_params(me, scopes=[]))
        assert nothing.caller.scopes == frozenset()
        fresh = Identity()
        await r.devices.approve(BOSS, await _request(r, fresh))
        admission = await r.connect(connect_params(fresh, scopes=ADMIN), REMOTE)
        assert admission.caller.scopes == frozenset()
        rotated = await r.devices.rotate(BOSS, me.id, "operator", [])
        assert rotated.scopes == []


async def test_adv_b05_missing_scopes_pass_the_containment_check():
    async with rig() as r:
        error = await r.refused(connect_params(Identity(), scopes=None), REMOTE)
        assert error.details is not None
        pairer = caller("operator.pairing", device_id="f" * 64)
        with pytest.raises(Refused, match="missing scope"):
            await r.devices.approve(pairer, error.details["requestId"])


@pytest.mark.parametrize("how", ["rotate", "revoke"])
async def test_adv_b08_rotated_or_revoked_credentials_lose_their_connections(how: str):
    async with rig() as r:
        me, _, token = await _paired(r, "operator.admin")
        by_token = (await r.connect(connect_params(me, token=token))).caller
        await getattr(r.devices, how)(BOSS, me.id, "operator")
        assert by_token not in r.live
        assert by_token in [closed for closed, _ in r.closed]
        assert (await r.refused(connect_params(me, token=token))).reason == "token-mismatch"


async def test_adv_b08_handshakes_under_way_do_not_survive_a_revocation():
    async with rig() as r:
        me, _, token = await _paired(r, "operator.admin")

        async def connect() -> bool:
            try:
                await r.connect(connect_params(me, token=token))
            except Exception:  # noqa: BLE001 - refused for whichever reason came first
                return False
            return True

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(connect())
            await asyncio.sleep(0)
            group.create_task(r.devices.revoke(BOSS, me.id, "operator"))
        assert [live for live in r.live if live.device_id == me.id] == []


async def test_adv_b09_reload_replaces_the_secret_everywhere_at_once():
    async with rig() as r:
        shared = (await r.connect(connect_params())).caller
        await r.auth.apply(gateway(auth={"token": "a-new-token-0123456789"}))
        assert shared not in r.live
        assert (await r.refused(connect_params(token=SHARED))).reason == "token-mismatch"
        assert await r.connect(connect_params(token="a-new-token-0123456789"))
        assert (await r.auth.bearer("a-new-token-0123456789", LOCAL)).granted


async def test_adv_b11_a_revoked_node_cannot_be_made_again_by_its_operator_session():
    async with rig() as r:
        me, _, token = await _paired(r, "operator.admin")
        await r.connect(connect_params(me, scopes=[], **NODE))
        await r.devices.revoke(BOSS, me.id, "node")
        for secret in (SHARED, token):
            error = await r.refused(connect_params(me, scopes=[], token=secret, **NODE))
            assert error.reason in ("pairing-required", "token-mismatch")
        request = (await r.devices.page(BOSS)).pending[0]
        await r.devices.approve(BOSS, request.request_id)
        assert await r.connect(connect_params(me, scopes=[], **NODE))


async def test_adv_b12_only_an_admin_lets_a_node_run_programs():
    async with rig() as r:
        risky = await _request(r, Identity(), commands=["camera.snap", "system.run"], **NODE)
        tame = await _request(r, Identity(), commands=["camera.snap"], **NODE)
        pairer = caller("operator.pairing", device_id="f" * 64)
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await r.devices.approve(pairer, risky)
        assert (await r.devices.approve(pairer, tame)).device.roles == ["node"]
        assert (await r.devices.approve(BOSS, risky)).device.roles == ["node"]


@pytest.mark.parametrize(
    ("peer", "pairs"),
    [
        ("192.0.2.7", [("Host", "localhost")]),
        ("127.0.0.1", [("Host", "localhost"), ("X-Forwarded-For", "127.0.0.1")]),
        ("127.0.0.1", [("Host", "localhost"), ("X-Real-IP", "127.0.0.1")]),
        ("127.0.0.1", [("Host", "box.tail1.ts.net")]),
        ("10.0.0.1", [("Host", "localhost"), ("X-Forwarded-For", "127.0.0.1")]),
    ],
)
async def test_adv_b21_no_header_makes_a_device_local(peer: str, pairs: list[tuple[str, str]]):
    fields: dict[str, Any] = {"trustedProxies": ["10.0.0.1", "127.0.0.1"]}
    async with rig(gateway(**fields)) as r:
        origin = origin_of(peer, *pairs, **fields)
        error = await r.refused(connect_params(Identity(), scopes=ADMIN), origin)
        assert error.message == "pairing required"
        assert Scope.ADMIN not in {scope for live in r.live for scope in live.scopes}
