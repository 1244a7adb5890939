"""The authenticator: order of checks, texts, and what each way in is worth."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carapace.auth.service import limit_rules
from carapace.auth.types import ConnectRefused, CredentialKind
from carapace.protocol.scopes import Role, Scope, effective
from support.auth import (
    ADMIN,
    LOCAL,
    REMOTE,
    SHARED,
    Identity,
    connect_params,
    gateway,
    rig,
)

READ_WRITE = ("operator.read", "operator.write")


async def test_device_less_client_gets_read_and_write_whatever_it_asks():
    async with rig() as r:
        for scopes in (("operator.admin",), None, ADMIN):
            admission = await r.connect(
                connect_params(scopes=scopes, client_id="gateway-client", mode="backend")
            )
            assert admission.caller.granted == READ_WRITE
            assert admission.caller.scopes == {Scope.READ, Scope.WRITE}
            assert admission.device_token is None
            assert admission.caller.credential is CredentialKind.TOKEN


async def test_device_less_client_may_ask_for_less():
    async with rig() as r:
        admission = await r.connect(connect_params(scopes=["operator.read"]))
        assert admission.caller.granted == ("operator.read",)


async def test_device_less_client_that_asks_for_nothing_gets_nothing():
    """As recorded in `scopes.json`: an empty list is a wish, an absent one is none."""
    async with rig() as r:
        admission = await r.connect(connect_params(scopes=[]))
        assert admission.caller.granted == ()
        assert admission.caller.scopes == frozenset()


async def test_a_node_holds_no_scope_of_operators_whatever_it_asks_for():
    node: dict[str, Any] = {"role": "node", "client_id": "node-host", "mode": "node"}
    async with rig() as r:
        me = Identity()
        first = await r.connect(connect_params(me, scopes=ADMIN, **node))
        assert first.device_token is not None
        token = first.device_token.device_token
        again = await r.connect(connect_params(me, scopes=ADMIN, token=token, **node))
        assert (first.caller.granted, again.caller.granted) == ((), ())
        assert again.caller.credential is CredentialKind.DEVICE_TOKEN


async def test_new_local_device_is_paired_at_once_with_all_it_asks():
    async with rig() as r:
        me = Identity()
        admission = await r.connect(connect_params(me, scopes=ADMIN))
        assert admission.caller.granted == ADMIN
        assert admission.caller.scopes == effective(ADMIN)
        assert admission.caller.device_id == me.id
        assert admission.device_token is not None
        assert admission.device_token.scopes == list(ADMIN)
        assert admission.device_token.role == "operator"


async def test_same_token_comes_back_at_every_connect():
    async with rig() as r:
        me = Identity()
        first = (await r.connect(connect_params(me))).device_token
        second = (await r.connect(connect_params(me))).device_token
        assert first is not None
        assert second is not None
        assert first.device_token == second.device_token
        assert first.issued_at_ms == second.issued_at_ms


async def test_device_token_stands_in_for_the_shared_token():
    async with rig() as r:
        me = Identity()
        hello = (await r.connect(connect_params(me))).device_token
        assert hello is not None
        admission = await r.connect(connect_params(me, token=hello.device_token), REMOTE)
        assert admission.caller.credential is CredentialKind.DEVICE_TOKEN
        assert admission.caller.granted == ("operator.admin",)
        assert admission.device_token is not None
        assert admission.device_token.device_token == hello.device_token


async def test_device_token_refuses_scopes_beyond_its_own():
    async with rig() as r:
        me = Identity()
        hello = (await r.connect(connect_params(me, scopes=["operator.read"]))).device_token
        assert hello is not None
        error = await r.refused(connect_params(me, token=hello.device_token))
        assert "token mismatch" in error.message


async def test_device_token_is_worthless_to_another_device():
    async with rig() as r:
        hello = (await r.connect(connect_params(Identity()))).device_token
        assert hello is not None
        other = Identity()
        error = await r.refused(connect_params(other, token=hello.device_token))
        assert "token mismatch" in error.message


async def test_remote_device_waits_for_a_person():
    async with rig() as r:
        error = await r.refused(connect_params(Identity()), REMOTE)
        assert (error.code, error.message, error.close_code) == (
            "NOT_PAIRED",
            "pairing required",
            1008,
        )
        assert error.details is not None
        assert error.details["requestId"]


async def test_node_needs_a_device_and_keeps_its_commands():
    async with rig() as r:
        params = connect_params(
            Identity(),
            role="node",
            scopes=[],
            client_id="node-host",
            mode="node",
            commands=["canvas.present", "canvas.present", "camera.snap"],
        )
        admission = await r.connect(params)
        assert admission.caller.role is Role.NODE
        assert admission.caller.scopes == frozenset()
        assert admission.caller.commands == ("canvas.present", "camera.snap")
        assert admission.device_token is not None
        assert admission.device_token.scopes == []


@pytest.mark.parametrize(
    ("changes", "code", "text", "close_code"),
    [
        (
            {"token": "wrong-token", "client_id": "gateway-client", "mode": "backend"},
            "INVALID_REQUEST",
            "unauthorized: gateway token mismatch (provide gateway auth token)",
            1008,
        ),
        (
            {"token": "wrong-token"},
            "INVALID_REQUEST",
            (
                "unauthorized: gateway token mismatch "
                "(set gateway.remote.token to match gateway.auth.token)"
            ),
            1008,
        ),
        (
            {"token": None, "client_id": "gateway-client", "mode": "backend"},
            "NOT_PAIRED",
            "device identity required",
            1008,
        ),
        ({"role": "boss"}, "INVALID_REQUEST", "invalid role", 1008),
        (
            {"client_id": "not-a-client"},
            "INVALID_REQUEST",
            (
                "invalid connect params: at /client/id: must be equal to constant; "
                "at /client/id: must match a schema in anyOf"
            ),
            1008,
        ),
        (
            {"mode": "not-a-mode"},
            "INVALID_REQUEST",
            (
                "invalid connect params: at /client/mode: must be equal to constant; "
                "at /client/mode: must match a schema in anyOf"
            ),
            1008,
        ),
        (
            {"minProtocol": 1, "maxProtocol": 2},
            "INVALID_REQUEST",
            "protocol mismatch",
            1002,
        ),
        (
            {"minProtocol": 98, "maxProtocol": 99},
            "INVALID_REQUEST",
            "protocol mismatch",
            1002,
        ),
        (
            {"client_id": "clawdbot-control-ui", "mode": "webchat"},
            "INVALID_REQUEST",
            "control ui requires HTTPS or localhost (secure context)",
            1008,
        ),
        ({"role": "node", "scopes": []}, "NOT_PAIRED", "device identity required", 1008),
        ({"token": None, "password": "x"}, "NOT_PAIRED", "device identity required", 1008),
    ],
)
async def test_refusals_read_as_the_clients_know_them(changes, code, text, close_code):
    async with rig() as r:
        error = await r.refused(connect_params(**changes))
        assert (error.code, error.message, error.close_code) == (code, text, close_code)
        if text == "protocol mismatch":
            assert error.details == {"expectedProtocol": 3}


@pytest.mark.parametrize("auth", [{"token": None}, {"token": None, "password": "wrong"}])
async def test_device_without_the_token_is_told_that_it_is_missing(auth):
    async with rig() as r:
        error = await r.refused(connect_params(Identity(), **auth))
        assert error.message == (
            "unauthorized: gateway token missing "
            "(set gateway.remote.token to match gateway.auth.token)"
        )


async def test_password_mode_takes_the_password_and_needs_a_device():
    settings = gateway(auth={"mode": "password", "password": "correct horse"})
    async with rig(settings) as r:
        me = Identity()
        good = connect_params(me, token=None, password="correct horse")
        assert (await r.connect(good)).caller.credential is CredentialKind.PASSWORD
        bad = await r.refused(connect_params(me, token=None, password="battery"))
        assert "gateway password mismatch" in bad.message
        none = await r.refused(connect_params(me, token=None))
        assert "gateway password missing" in none.message


async def test_checks_come_in_order():
    """A frame that is wrong in every way is refused for the earliest reason."""
    async with rig() as r:
        me = Identity()
        everything: dict[str, Any] = {
            "client_id": "nobody",
            "minProtocol": 9,
            "maxProtocol": 9,
            "role": "boss",
            "token": "wrong",
        }
        texts: list[str] = []
        for repaired in ("client_id", "minProtocol", "role", "token", None):
            texts.append((await r.refused(connect_params(me, **everything), REMOTE)).message)
            if repaired == "minProtocol":
                del everything["maxProtocol"]
            if repaired is not None:
                del everything[repaired]
        assert [text.split(" (")[0].split(": at")[0] for text in texts] == [
            "invalid connect params",
            "protocol mismatch",
            "invalid role",
            "unauthorized: gateway token mismatch",
            "pairing required",
        ]


async def test_insecure_setting_lets_a_control_ui_in_without_a_device_for_little():
    async with rig(gateway(controlUi={"allowInsecureAuth": True})) as r:
        ui: dict[str, Any] = {"client_id": "openclaw-control-ui", "mode": "webchat"}
        admission = await r.connect(connect_params(scopes=ADMIN, **ui), REMOTE)
        assert admission.caller.granted == READ_WRITE
        error = await r.refused(connect_params(token=None, **ui), REMOTE)
        assert error.reason == "control-ui-insecure"


async def test_bearer_is_the_shared_credential_and_nothing_else():
    async with rig() as r:
        caller = await r.auth.bearer(SHARED, LOCAL)
        assert caller.granted == READ_WRITE
        assert caller.client_id == "http"
        hello = (await r.connect(connect_params(Identity()))).device_token
        assert hello is not None
        for secret, word in ((hello.device_token, "mismatch"), ("", "missing"), (None, "missing")):
            with pytest.raises(ConnectRefused, match=word):
                await r.auth.bearer(secret, LOCAL)


async def test_bearer_is_limited_like_a_connect():
    async with rig() as r:
        for _ in range(10):
            with pytest.raises(ConnectRefused, match="mismatch"):
                await r.auth.bearer("guess", REMOTE)
        with pytest.raises(ConnectRefused, match="too many failed attempts") as locked:
            await r.auth.bearer(SHARED, REMOTE)
        assert locked.value.retry_after_ms == 300_000


async def test_attempt_without_a_secret_costs_no_budget():
    async with rig() as r:
        me = Identity()
        for _ in range(30):
            await r.refused(connect_params(me, token=None))
            with pytest.raises(ConnectRefused, match="missing"):
                await r.auth.bearer(None, LOCAL)
        assert (await r.connect(connect_params(me))).caller.device_id == me.id


async def test_refusals_are_counted_and_recorded_without_the_secret():
    async with rig() as r:
        await r.refused(connect_params(token="planted-wrong-guess-1234567890"))
        count = r.metrics.registry.get_sample_value(
            "carapace_auth_failures_total", {"reason": "token-mismatch"}
        )
        assert count == 1
        assert r.kinds() == ["auth.failed"]
        assert "planted-wrong-guess" not in (r.folder / "audit.jsonl").read_text()


async def test_clumsy_clients_do_not_fill_the_trail():
    async with rig() as r:
        await r.refused(connect_params(client_id="nobody"))
        await r.refused(connect_params(role="boss"))
        assert r.kinds() == []


async def test_new_settings_take_effect_at_once():
    async with rig() as r:
        fresh = gateway(auth={"token": "another-token-entirely-000"})
        await r.auth.apply(fresh)
        assert "mismatch" in (await r.refused(connect_params())).message
        assert await r.connect(connect_params(token="another-token-entirely-000"))


async def test_credential_that_changes_during_a_handshake_lets_nobody_in():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me))
        find = r.pairing.find

        async def find_while_rotating(device_id):
            on_record = await find(device_id)
            r.revocations.disown(lambda _: True, "rotated meanwhile")
            return on_record

        r.pairing.find = find_while_rotating
        error = await r.refused(connect_params(me))
        assert error.reason == "credentials-changed"


class _Tailnet:
    """Knows one address."""

    async def login_of(self, address: str) -> str | None:
        return "ada@example.com" if address == "100.64.1.2" else None


def _served(login: str, address: str):
    return replace(REMOTE, peer_ip="127.0.0.1", tailscale_login=login, forwarded_for=address)


@pytest.mark.parametrize(
    "fields",
    [{"tailscale": {"mode": "serve"}}, {"auth": {"token": SHARED, "allowTailscale": True}}],
)
async def test_tailnet_user_may_come_without_a_token_but_must_be_paired(fields: dict[str, Any]):
    async with rig(gateway(**fields), whois=_Tailnet()) as r:
        me = Identity()
        origin = _served("ada@example.com", "100.64.1.2")
        error = await r.refused(connect_params(me, token=None), origin)
        assert error.message == "pairing required"
        assert error.details is not None
        admin = (await r.connect(connect_params(Identity(), scopes=ADMIN))).caller
        await r.devices.approve(admin, error.details["requestId"])
        admission = await r.connect(connect_params(me, token=None), origin)
        assert admission.caller.login == "ada@example.com"
        assert admission.caller.credential is CredentialKind.TAILSCALE
        forged = await r.refused(
            connect_params(me, token=None), _served("bob@example.com", "100.64.1.2")
        )
        assert "token missing" in forged.message


@pytest.mark.parametrize(
    "fields",
    [{}, {"tailscale": {"mode": "serve"}, "auth": {"token": "t", "allowTailscale": False}}],
)
async def test_tailscale_headers_count_only_where_configured(fields):
    async with rig(gateway(**fields), whois=_Tailnet()) as r:
        origin = _served("ada@example.com", "100.64.1.2")
        error = await r.refused(connect_params(Identity(), token=None), origin)
        assert "token missing" in error.message


def test_budgets_follow_the_settings():
    limits = {"maxAttempts": 3, "windowMs": 1500, "lockoutMs": 9000}
    rules = limit_rules(gateway(auth={"rateLimit": limits}))
    assert (rules.max_failures, rules.window_s, rules.lockout_s) == (3, 1.5, 9.0)
    assert rules.max_failures_everywhere == 30


async def test_no_answer_carries_a_float():
    async with rig() as r:
        hello = (await r.connect(connect_params(Identity()))).device_token
        assert isinstance(msgspec.to_builtins(hello)["issuedAtMs"], int)


async def test_plaintext_from_elsewhere_is_cut_and_recorded():
    async with rig() as r:
        me = Identity()
        await r.connect(connect_params(me, scopes=ADMIN))
        plain = replace(REMOTE, is_private=False)
        admission = await r.connect(connect_params(me, scopes=ADMIN), plain)
        assert admission.caller.granted == READ_WRITE
        assert r.kinds()[-1] == "auth.scope_denied"
        again = await r.connect(connect_params(me, scopes=["operator.read"]), plain)
        assert again.caller.granted == ("operator.read",)
        assert r.kinds().count("auth.scope_denied") == 1


async def test_what_a_node_says_of_itself_is_kept_within_bounds_and_of_operators_nothing():
    async with rig() as r:
        said: dict[str, Any] = {
            "caps": ["camera", "camera", *(f"c{number}" for number in range(100))],
            "permissions": {"x" * 500: True, **{f"p{number}": False for number in range(100)}},
        }
        node: dict[str, Any] = {
            "role": "node",
            "client_id": "node-host",
            "mode": "node",
            "scopes": (),
        }
        claims = (await r.connect(connect_params(Identity(), **node, **said))).caller.claims
        assert claims is not None
        assert claims.platform == "linux"
        assert (claims.caps[0], len(claims.caps)) == ("camera", 63)
        assert claims.permissions is not None
        assert len(claims.permissions) == 64
        assert max(map(len, claims.permissions)) == 128
        plain = (await r.connect(connect_params(Identity(), **node))).caller.claims
        assert plain is not None
        assert (plain.caps, plain.permissions) == ((), None)
        assert (await r.connect(connect_params(Identity(), **said))).caller.claims is None
