"""Advisories of group A, as far as authentication alone decides them.

Rows that need a socket, HTTP or a UI are tested on the wire.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from msgspec.structs import replace

from carapace.auth import service
from carapace.auth.limiter import address_key
from carapace.auth.origin import refusal
from carapace.auth.types import ConnectRefused
from carapace.protocol.scopes import Role, Scope
from support.auth import (
    ADMIN,
    LOCAL,
    REMOTE,
    SHARED,
    Identity,
    Rig,
    connect_params,
    gateway,
    origin_of,
    rig,
)

NODE: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}


@pytest.mark.parametrize("origin", [LOCAL, REMOTE])
async def test_adv_a01_shared_secret_cannot_name_its_own_scopes(origin: Any):
    async with rig() as r:
        admission = await r.connect(connect_params(scopes=ADMIN), origin)
        assert admission.caller.scopes == {Scope.READ, Scope.WRITE}
        assert Scope.ADMIN.value not in admission.caller.granted


async def test_adv_a02_fresh_device_gets_nothing_before_pairing():
    async with rig() as r:
        error = await r.refused(connect_params(Identity(), scopes=ADMIN), REMOTE)
        assert (error.code, error.message) == ("NOT_PAIRED", "pairing required")
        assert r.live == []


async def test_adv_a03_wrong_token_without_a_device_is_refused():
    async with rig() as r:
        for token in ("wrong", " ", SHARED + "x", SHARED[:-1], SHARED.upper()):
            error = await r.refused(connect_params(token=token))
            assert error.message.startswith("unauthorized: gateway token mismatch")


def test_adv_a03_only_the_comparison_lets_anybody_in():
    """The one place that names a kind of credential asks the comparing objects."""
    source = inspect.getsource(service.Authenticator._matching)
    assert "self._shared.matches(" in source
    assert "self._tokens.accepts(" in source
    assert "has_token" not in inspect.getsource(service)


@pytest.mark.parametrize("brand", ["clawdbot", "moltbot", "openclaw"])
@pytest.mark.parametrize("role", ["operator", "node"])
async def test_adv_a04_control_ui_behind_a_proxy_needs_a_device(brand: str, role: str):
    fields: dict[str, Any] = {"trustedProxies": ["10.0.0.1"]}
    async with rig(gateway(**fields)) as r:
        origin = origin_of(
            "10.0.0.1",
            ("Host", "10.0.0.1"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Proto", "https"),
            **fields,
        )
        params = connect_params(
            scopes=ADMIN, role=role, client_id=f"{brand}-control-ui", mode="webchat"
        )
        await r.refused(params, origin)
        plain = connect_params(scopes=ADMIN, client_id="webchat", mode="webchat")
        assert (await r.connect(plain, origin)).caller.scopes == {Scope.READ, Scope.WRITE}


async def test_adv_a04_insecure_setting_makes_no_node_of_a_control_ui():
    async with rig(gateway(controlUi={"allowInsecureAuth": True})) as r:
        params = connect_params(role="node", client_id="openclaw-control-ui", mode="webchat")
        assert (await r.refused(params)).message == "device identity required"


async def test_adv_a05_shared_token_alone_is_no_node():
    async with rig() as r:
        assert (await r.refused(connect_params(scopes=[], **NODE))).code == "NOT_PAIRED"
        unpaired = await r.refused(connect_params(Identity(), scopes=[], **NODE), REMOTE)
        assert unpaired.message == "pairing required"


@pytest.mark.parametrize("origin", [LOCAL, REMOTE])
async def test_adv_a06_wider_reconnect_is_a_request_and_keeps_what_was_approved(origin: Any):
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=["operator.read"]))
        admission = await r.connect(connect_params(me, scopes=ADMIN), origin)
        assert admission.caller.scopes == {Scope.READ}
        assert admission.device_token is not None
        assert admission.device_token.scopes == ["operator.read"]
        assert [event.name for event in r.events][-1] == "device.pair.requested"
        assert r.events[-1].payload.scopes == list(ADMIN)
        again = await r.connect(connect_params(me, scopes=ADMIN), origin)
        assert again.caller.scopes == {Scope.READ}


async def test_adv_a07_a08_reconnect_cannot_widen_a_nodes_commands():
    async with rig() as r:
        me = Identity()
        first = connect_params(me, scopes=[], platform="ios", commands=["camera.snap"], **NODE)
        await r.connect(first)
        wider = connect_params(
            me, scopes=[], platform="linux", commands=["camera.snap", "system.run"], **NODE
        )
        admission = await r.connect(wider)
        assert admission.caller.role is Role.NODE
        assert admission.caller.commands == ("camera.snap",)
        on_record = await r.pairing.find(me.id)
        assert on_record is not None
        assert on_record.platform == "ios"
        assert r.events[-1].name == "device.pair.requested"
        assert r.events[-1].payload.commands == ["camera.snap", "system.run"]


def test_adv_a09_foreign_origin_through_a_proxy_is_refused():
    fields: dict[str, Any] = {
        "trustedProxies": ["10.0.0.1"],
        "allowedHosts": ["gw.example.com"],
        "allowedOrigins": ["https://ui.example.com"],
    }
    for page, is_refused in (
        ("https://evil.test", True),
        ("https://gw.example.com.evil.test", True),
        ("https://gw.example.com", False),
        ("https://ui.example.com", False),
    ):
        origin = origin_of(
            "10.0.0.1",
            ("Host", "gw.example.com"),
            ("Origin", page),
            ("X-Forwarded-For", "203.0.113.9"),
            **fields,
        )
        assert (refusal(origin, gateway(**fields)) is not None) is is_refused


async def test_adv_a10_loopback_is_throttled_and_foreign_pages_are_refused():
    origin = origin_of("127.0.0.1", ("Host", "127.0.0.1:18789"), ("Origin", "https://evil.test"))
    assert refusal(origin, gateway()) is not None
    async with rig(gateway(auth={"mode": "password", "password": "1234"})) as r:
        me = Identity()
        for number in range(10):
            params = connect_params(me, token=None, password=f"{number:04}")
            assert "password mismatch" in (await r.refused(params)).message
        locked = await r.refused(connect_params(me, token=None, password="1234"))
        assert (locked.reason, locked.retry_after_ms) == ("locked-out", 300_000)
        assert r.kinds().count("auth.locked_out") == 1
        await r.clock.advance(301)
        good = connect_params(me, token=None, password="1234", signed_at=r.clock.now_ms())
        assert await r.connect(good)


async def _burst(r: Rig, *, with_device: bool) -> list[str]:
    async def attempt(number: int) -> str:
        device = Identity() if with_device else None
        return (await r.refused(connect_params(device, token=f"wrong {number}"), REMOTE)).reason

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(number)) for number in range(50)]
    return [task.result() for task in tasks]


@pytest.mark.parametrize("with_device", [False, True])
async def test_adv_a13_a_burst_cannot_overdraw_the_budget(with_device: bool):
    async with rig() as r:
        reasons = await _burst(r, with_device=with_device)
        assert reasons.count("token-mismatch") == 10
        assert reasons.count("locked-out") == 40
        assert (await r.refused(connect_params(), REMOTE)).reason == "locked-out"


async def test_adv_a13_a_storm_of_honest_clients_is_not_a_burst():
    async with rig() as r:
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(r.connect(connect_params(client_id="test", mode="test")))
        assert len(r.live) == 200


async def test_adv_a13_the_slow_tailscale_path_has_no_budget_of_its_own():
    class Slow:
        async def login_of(self, address: str) -> str | None:
            await asyncio.sleep(0)
            return None

    served = replace(
        REMOTE, peer_ip="127.0.0.1", tailscale_login="ada@example.com", forwarded_for="100.64.0.1"
    )
    async with rig(gateway(tailscale={"mode": "serve"}), whois=Slow()) as r:

        async def attempt() -> str:
            return (await r.refused(connect_params(Identity(), token="wrong"), served)).reason

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(attempt()) for _ in range(50)]
        assert [task.result() for task in tasks].count("token-mismatch") == 10


async def test_adv_a14_both_forms_of_an_address_share_one_bucket():
    assert address_key("::ffff:192.0.2.7") == address_key("192.0.2.7")
    assert address_key("2001:db8::1") == address_key("2001:db8::2")
    async with rig() as r:
        mapped = replace(REMOTE, client_ip="::ffff:192.0.2.7")
        for number in range(10):
            await r.refused(connect_params(token="x"), mapped if number % 2 else REMOTE)
        for origin in (REMOTE, mapped):
            assert (await r.refused(connect_params(), origin)).reason == "locked-out"


async def test_adv_a17_headers_never_reach_the_trail_raw():
    async with rig() as r:
        evil = "\x1b[31m\r\nforged line " + "A" * 10_000
        origin = origin_of("192.0.2.7", ("Host", evil), ("User-Agent", evil), ("Origin", evil))
        await r.refused(connect_params(token="wrong"), origin)
        text = (r.folder / "audit.jsonl").read_text()
        assert "forged line" not in text
        assert len(text) < 1000


@pytest.mark.parametrize("is_private", [True, False])
async def test_adv_a18_plaintext_from_elsewhere_has_no_admin(is_private: bool):
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=ADMIN))
        admission = await r.connect(
            connect_params(me, scopes=ADMIN), replace(REMOTE, is_private=is_private)
        )
        assert (Scope.ADMIN in admission.caller.scopes) is is_private
        assert Scope.READ in admission.caller.scopes
        assert ("auth.scope_denied" in r.kinds()) is not is_private


async def test_adv_a18_the_operator_may_allow_it():
    async with rig(gateway(controlUi={"allowInsecureAuth": True})) as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=ADMIN))
        plain = replace(REMOTE, is_private=False)
        admission = await r.connect(connect_params(me, scopes=ADMIN), plain)
        assert Scope.ADMIN in admission.caller.scopes


async def test_adv_a21_no_refusal_or_trail_shows_the_shared_secret():
    async with rig() as r:
        tries = (connect_params(token="x"), connect_params(Identity()))
        texts = [(await r.refused(params, REMOTE)).message for params in tries]
        with pytest.raises(ConnectRefused) as refused:
            await r.auth.bearer("x", REMOTE)
        texts += [refused.value.message, repr(r.shared.reveal()), str(r.shared.reveal())]
        texts.append((r.folder / "audit.jsonl").read_text())
        assert not any(SHARED in text for text in texts)
