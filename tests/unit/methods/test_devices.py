"""`device.pair.*` and `device.token.*` as a client asks them."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.auth.records import save_request
from carapace.errors import Refused
from carapace.methods.devices import METHODS
from carapace.protocol.scopes import Role, Scope
from support.methods import FakeCall, MethodHouse, method_house
from support.nodes import pair_request
from support.server import make_caller


async def waiting(house: MethodHouse, device_id: str, **more: Any) -> str:
    request = pair_request(device_id, house.clock.now_ms(), **more)
    await house.agent_house.database.write(lambda tx: save_request(tx, request))
    return request.request_id


async def approved(house: MethodHouse, device_id: str, **more: Any) -> Any:
    return await house.call(
        "device.pair.approve", {"requestId": await waiting(house, device_id, **more)}
    )


def test_all_of_them_need_the_pairing_scope_and_nothing_else() -> None:
    assert {row.scope for row in METHODS.values()} == {Scope.PAIRING}
    assert {row.role for row in METHODS.values()} == {Role.OPERATOR}
    assert all(row.advertised for row in METHODS.values())


async def test_a_waiting_device_is_listed_approved_and_then_paired() -> None:
    async with method_house() as house:
        request_id = await waiting(house, "d1", scopes=("operator.read",))
        before = await house.call("device.pair.list")
        assert [row["requestId"] for row in before["pending"]] == [request_id]
        assert before["paired"] == []
        answer = await house.call("device.pair.approve", {"requestId": request_id})
        assert answer["requestId"] == request_id
        after = await house.call("device.pair.list")
        assert (after["pending"], after["paired"]) == ([], [answer["device"]])
        (told,) = house.agent_house.told("device.pair.resolved")
        assert (told["deviceId"], told["decision"]) == ("d1", "approved")


async def test_token_summaries_carry_no_secret() -> None:
    async with method_house() as house:
        device = (await approved(house, "d1", scopes=("operator.read",)))["device"]
        assert set(device["tokens"][0]) == {"role", "scopes", "createdAtMs"}


async def test_a_rejected_device_is_gone_and_clients_are_told() -> None:
    async with method_house() as house:
        request_id = await waiting(house, "d1")
        answer = await house.call("device.pair.reject", {"requestId": request_id})
        assert answer == {"requestId": request_id, "deviceId": "d1"}
        assert (await house.call("device.pair.list"))["pending"] == []
        assert house.agent_house.told("device.pair.resolved")[0]["decision"] == "rejected"


@pytest.mark.parametrize("method", ["device.pair.approve", "device.pair.reject"])
async def test_an_unknown_request_is_refused(method: str) -> None:
    async with method_house() as house:
        with pytest.raises(Refused, match=r"^unknown requestId$"):
            await house.call(method, {"requestId": "nope"})


async def test_an_approver_gives_no_more_than_it_holds() -> None:
    async with method_house() as house:
        request_id = await waiting(house, "d1", scopes=("operator.admin",))
        weak = FakeCall(make_caller(scopes=("operator.pairing", "operator.read")))
        with pytest.raises(Refused, match=r"missing scope: operator\.admin"):
            await house.call("device.pair.approve", {"requestId": request_id}, weak)
        assert len((await house.call("device.pair.list"))["pending"]) == 1


async def test_a_rotated_token_is_told_once_and_narrowed_if_asked() -> None:
    async with method_house() as house:
        await approved(house, "d1", scopes=("operator.admin",))
        asked = {"deviceId": "d1", "role": "operator", "scopes": ["operator.read"]}
        answer = await house.call("device.token.rotate", asked)
        assert set(answer) == {"deviceId", "role", "token", "scopes", "rotatedAtMs"}
        assert answer["scopes"] == ["operator.read"]
        listed = await house.call("device.pair.list")
        assert answer["token"] not in str(listed)
        assert listed["paired"][0]["tokens"][0]["rotatedAtMs"] == answer["rotatedAtMs"]


async def test_revoking_ends_the_connections_of_that_role_before_it_is_answered() -> None:
    async with method_house() as house:
        await approved(house, "d1", scopes=("operator.read",))
        house.closed.live = [
            make_caller("c1", device_id="d1"),
            make_caller("c2", device_id="d1", role=Role.NODE),
            make_caller("c3", device_id="d2"),
        ]
        answer = await house.call("device.token.revoke", {"deviceId": "d1", "role": "operator"})
        assert set(answer) == {"deviceId", "role", "revokedAtMs"}
        assert house.closed.reasons == [("c1", "device token revoked")]


@pytest.mark.parametrize("method", ["device.token.rotate", "device.token.revoke"])
async def test_an_unknown_device_or_role_is_refused(method: str) -> None:
    async with method_house() as house:
        await approved(house, "d1", scopes=("operator.read",))
        for device_id, role in (("nope", "operator"), ("d1", "node"), ("d1", "boss")):
            with pytest.raises(Refused, match=r"^unknown deviceId/role$"):
                await house.call(method, {"deviceId": device_id, "role": role})
