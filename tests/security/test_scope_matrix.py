"""Every method x role x scopes x credential x origin, against a table written by hand.

The real authenticator judges each credential at each origin for each wish, and the real
dispatcher then says of every method whether this caller may use it. `authority.toml` says what
has to come out; `scopes.json` says that the Node gateway agrees about the methods.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from carapace.app.parts import METHODS
from carapace.auth.origin import describe, refusal
from carapace.auth.types import Caller, ConnectRefused, CredentialKind, Origin
from carapace.config.settings.gateway import GatewaySettings
from carapace.errors import Refused
from carapace.protocol.frames import Request
from carapace.protocol.scopes import Role, Scope
from carapace.server.dispatch import Dispatcher
from carapace.telemetry.metrics import Metrics
from support.auth import LOCAL, SHARED, Identity, Rig, caller, connect_params, gateway, headers, rig
from support.authority_table import PAGE, TABLE, WISHES, Credential, Place, page_text
from support.clock import FakeClock
from support.gateway import ROOT
from support.link import FakeLink

RECORDED = ROOT / "tests" / "golden" / "node-2026.1" / "scopes.json"
PERSON = "person@example.com"
HOOKS_TOKEN = "planted-hooks-token-0123456789abcdef"
ALL = tuple(scope.value for scope in Scope)
APPROVED: Mapping[str, tuple[str, ...]] = {
    "full": ("operator.admin", "operator.approvals", "operator.pairing"),
    "reader": ("operator.read",),
    "revoked": ("operator.admin",),
    "node": (),
}


# ---- the table itself ----------------------------------------------------------------------


def test_the_table_names_every_method_once():
    names = [name for group in TABLE.methods.values() for name in group]
    assert sorted(names) == sorted(METHODS)


def test_the_rows_need_what_the_table_says():
    ours = {
        name: "node" if row.role is Role.NODE else str(row.scope).removeprefix("operator.")
        for name, row in METHODS.items()
    }
    assert ours == TABLE.needs()


def test_the_table_says_what_was_recorded_of_every_method_and_scope():
    (case,) = json.loads(RECORDED.read_text("utf-8"))["cases"]
    recorded: dict[str, dict[str, str]] = case["responses"][0]
    needs = TABLE.needs()
    asked: set[str] = set()
    for scope, verdicts in recorded.items():
        held = TABLE.amounts_to((scope.removeprefix("operator."),))
        asked |= set(verdicts)
        assert verdicts == {
            name: TABLE.verdict(needs[name], "operator", held) for name in verdicts
        }, scope
    unrecorded = {name for group in TABLE.unrecorded.values() for name in group}
    assert (asked & unrecorded, asked | unrecorded) == (set(), set(needs))


def test_each_tightening_names_rows_of_the_table():
    credentials = {one.name for one in TABLE.credentials}
    places = {one.name for one in TABLE.places}
    for one in TABLE.tightenings:
        assert one["what"].endswith(".")
        assert one["why"].endswith(".")
        shown = (set(one.get("credentials", ())), set(one.get("origins", ())))
        assert shown[0] <= credentials
        assert shown[1] <= places
        assert shown[0] | shown[1], one["what"]


def test_every_kind_of_credential_that_there_is_lets_somebody_in():
    """A new kind has to come into the table before it can let anybody in unseen."""
    told = {(one.mode, one.token, one.bearer) for one in TABLE.credentials if not one.refused}
    assert ("token", "shared", None) in told
    assert ("token", "own", None) in told
    assert any(mode == "password" for mode, _, _ in told)
    assert any(isinstance(one.login, list) for one in TABLE.credentials)
    assert {str(kind) for kind in CredentialKind} == {
        "token",
        "password",
        "device-token",
        "tailscale",
    }


def test_the_page_is_made_of_the_table():
    assert PAGE.read_text("utf-8") == page_text(), "run python -m support.authority_table"


# ---- the product ---------------------------------------------------------------------------


class Daemon:
    """Satisfies `Whois`: knows one person, at one address."""

    async def login_of(self, address: str) -> str | None:
        return PERSON if address == "100.64.1.2" else None


class Case:
    """The house that callers of one mode come to, with devices of each standing."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.devices: dict[str, tuple[Identity, str]] = {}

    async def device(self, standing: str, role: str) -> tuple[Identity, str]:
        """A device and its token; one of its own where coming in changes its standing."""
        if standing == "new":
            return Identity(), ""
        if standing == "node" and role == "operator":
            return await self._approved(standing)
        if standing not in self.devices:
            self.devices[standing] = await self._approved(standing)
        return self.devices[standing]

    async def _approved(self, standing: str) -> tuple[Identity, str]:
        identity, role = Identity(), "node" if standing == "node" else "operator"
        password = self.rig.shared.kind is CredentialKind.PASSWORD
        shown: dict[str, Any] = {"token": None, "password": SHARED} if password else {}
        admission = await self.rig.connect(
            connect_params(
                identity,
                role=role,
                scopes=APPROVED[standing],
                signed_at=self.rig.clock.now_ms(),
                **shown,
            )
        )
        assert admission.device_token is not None
        if standing == "revoked":
            await self.rig.devices.revoke(caller(*ALL), identity.id, role)
        return identity, admission.device_token.device_token

    async def come(
        self, credential: Credential, origin: Origin, wish: tuple[str, ...] | None
    ) -> Caller | str:
        """Who it is, or why it is refused."""
        await self.rig.clock.advance(301.0)  # earlier requests to pair are too old to count
        identity, own = None, ""
        if credential.device is not None:
            identity, own = await self.device(credential.device, credential.role)
        words = {"shared": SHARED, "wrong": "w" * 43, "hooks": HOOKS_TOKEN, "own": own}
        if "other" in (credential.token, credential.bearer):
            words["other"] = (await self.device("reader", "operator"))[1]
        try:
            if credential.bearer is not None:
                return await self.rig.auth.bearer(words.get(credential.bearer), origin)
            params = connect_params(
                identity,
                scopes=None if wish is None else [f"operator.{one}" for one in wish],
                token=words.get(credential.token or ""),
                password=words.get(credential.password or ""),
                role=credential.role,
                client_id=credential.client,
                signed_at=self.rig.clock.now_ms(),
            )
            return (await self.rig.connect(params, origin)).caller
        except ConnectRefused as refused:
            return refused.reason


class Judge:
    """The dispatcher's word on every method, for a caller; no handler ever runs."""

    def __init__(self) -> None:
        def reached(_call: Any) -> Any:
            raise Refused("reached")

        self._dispatcher = Dispatcher(
            METHODS, reached, clock=FakeClock(), metrics=Metrics("test", with_process=False)
        )
        self._known: dict[Any, dict[str, str]] = {}

    def verdicts(self, who: Caller) -> dict[str, str]:
        """By method. Callers alike in all but their names are asked once."""
        alike = (
            who.role,
            who.scopes,
            who.granted,
            who.credential,
            who.is_local,
            who.client_id,
            who.device_id is None,
            who.login,
        )
        if alike not in self._known:
            self._known[alike] = {name: self._ask(who, name) for name in METHODS}
        return self._known[alike]

    def _ask(self, who: Caller, method: str) -> str:
        link = FakeLink(who)
        self._dispatcher.dispatch(link, Request("1", method, msgspec.Raw(b"{}")))
        text: str = link.frames[0]["error"]["message"]
        return text if text.startswith(("missing scope:", "unauthorized role:")) else "allowed"


def settings(mode: str, place: Place) -> GatewaySettings:
    """How the gateway is set where this request arrives."""
    auth = {"mode": mode, mode: SHARED, "rateLimit": {"maxAttempts": 10_000}}
    return gateway(
        auth=auth,
        trustedProxies=["192.0.2.50"],
        allowedOrigins=["https://panel.example"],
        tailscale={"mode": "serve" if place.speaks_of_tailscale else "off"},
    )


def short(scopes: frozenset[Scope]) -> frozenset[str]:
    return frozenset(scope.value.removeprefix("operator.") for scope in scopes)


@pytest.mark.parametrize("place", TABLE.places, ids=lambda place: place.name.replace(" ", "-"))
def test_each_origin_is_of_the_class_that_the_table_says(place: Place):
    set_up = settings("token", place)
    origin = describe(place.peer, headers(*place.headers.items()), set_up, is_tls=place.is_tls)
    if refusal(origin, set_up) is not None:
        found = "door"
    elif origin.is_local:
        found = "local"
    else:
        found = "private" if origin.is_private else "plain"
    assert found == place.kind
    assert not (origin.is_local and not origin.is_private)


@pytest.mark.slow
@pytest.mark.parametrize("place", TABLE.places, ids=lambda place: place.name.replace(" ", "-"))
@pytest.mark.parametrize("mode", ["token", "password"])
async def test_every_credential_opens_what_the_table_says_and_nothing_else(place: Place, mode: str):
    judge, needs, wrong, count = Judge(), TABLE.needs(), [], 0
    set_up = settings(mode, place)
    origin = describe(place.peer, headers(*place.headers.items()), set_up, is_tls=place.is_tls)
    async with rig(set_up, whois=Daemon()) as house:
        case = Case(house)
        for credential in (one for one in TABLE.credentials if one.mode == mode):
            for wish in (None,) if credential.bearer else WISHES:
                wanted = TABLE.granted(credential, place, wish)
                if wanted == "door":
                    assert refusal(origin, set_up) is not None
                    continue
                came = await case.come(credential, origin, wish)
                held = came if isinstance(came, str) else short(came.scopes)
                if held != wanted:
                    wrong.append(f"{credential.name}, wishing {wish}: {held} for {wanted}")
                if isinstance(came, str) or isinstance(wanted, str):
                    continue
                count += 1
                expected = {
                    name: TABLE.verdict(need, credential.role, wanted)
                    for name, need in needs.items()
                }
                if judge.verdicts(came) != expected:
                    wrong.append(f"{credential.name}, wishing {wish}: another set of methods")
    assert not wrong, "\n".join(wrong)
    assert count > 0 or place.kind == "door"
    assert LOCAL.is_local
