"""The table of who may do what, asked of running gateways over real sockets.

Every credential of `tests/security/authority.toml` comes to the door from every place that
loopback can stand for, and whoever gets in asks for every method. Only the word on authority is
compared: the params fit nothing, so that what would do harm is refused for them afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from carapace.app.parts import METHODS
from carapace.protocol.endpoints import ENDPOINTS, Endpoint, Gate
from carapace_tools.golden.connection import Connection
from carapace_tools.golden.identity import Identity
from support.authority_table import TABLE, Credential, Place
from support.gateway import TOKEN, Started, running_gateway, settings
from support.ws import connect_params, entered

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HOOKS_TOKEN: Final = "flow-hooks-token-0123456789abcdef"
UNKNOWN_PARAM: Final = {"noSuchParam": True}
FULL: Final = ("operator.admin", "operator.approvals", "operator.pairing")
APPROVED: Final[Mapping[str, tuple[str, ...]]] = {
    "full": FULL,
    "reader": ("operator.read",),
    "revoked": ("operator.admin",),
    "node": (),
}
TEXTS: Final[Mapping[str, str]] = {
    "token-mismatch": "unauthorized: gateway token mismatch",
    "token-missing": "unauthorized: gateway token missing",
    "password-mismatch": "unauthorized: gateway password mismatch",
    "password-missing": "unauthorized: gateway password missing",
    "device-required": "device identity required",
    "control-ui-insecure": "control ui requires HTTPS or localhost",
    "pairing-required": "pairing required",
}
"""How a client is told of each reason."""


def place(name: str, kind: str, peer: str = "127.0.0.1", **headers: str) -> Place:
    """A place as loopback can stand for it: 127.0.0.1 is a trusted proxy, 127.0.0.2 none."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Place(name, kind, peer, named, is_tls=False, has_login=False)


PLACES: Final = (
    place("this machine", "local"),
    place("a page of this machine", "local", Origin="http://localhost:5173"),
    place(
        "a trusted proxy by https", "private", X_Forwarded_For="203.0.113.9",
        X_Forwarded_Proto="https",
    ),
    place(
        "a page on the list by https", "private", X_Forwarded_For="203.0.113.10",
        X_Forwarded_Proto="https", Origin="https://panel.example",
    ),
    place(
        "a proxy for who says it is here", "private", X_Forwarded_For="127.0.0.1",
        X_Forwarded_Proto="https",
    ),
    place(
        "a trusted proxy by http", "plain", X_Forwarded_For="203.0.113.11",
        X_Forwarded_Proto="http",
    ),
    place(
        "any other proxy", "plain", "127.0.0.2", X_Forwarded_For="127.0.0.1",
        X_Forwarded_Proto="https",
    ),
    place(
        "forged headers of tailscale", "plain", "127.0.0.2", X_Forwarded_For="100.64.1.2",
        X_Forwarded_Proto="https", Tailscale_User_Login="person@example.com",
    ),
    place("a foreign page", "door", Origin="https://evil.example"),
    place("a rebound name", "door", Host="evil.example:1"),
)  # fmt: skip


@dataclass
class House:
    """A running gateway and the devices that came to it."""

    gateway: Started
    mode: str
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    count: int = 0

    def shared(self) -> dict[str, str]:
        """What the shared credential is shown as."""
        return {self.mode: TOKEN}

    async def device(self, standing: str, role: str) -> tuple[str, str]:
        """Name and token of a device; one of its own where coming in changes its standing."""
        changes = standing == "new" or (standing, role) == ("node", "operator")
        if not changes and standing in self.tokens:
            return self.tokens[standing]
        self.count += 1
        name = f"{standing}-{self.count}"
        token = "" if standing == "new" else await self._approved(name, standing)
        if not changes:
            self.tokens[standing] = (name, token)
        return name, token

    async def _approved(self, name: str, standing: str) -> str:
        role = "node" if standing == "node" else "operator"
        client = {"client_id": "node-host", "mode": "node"} if role == "node" else {}
        params = connect_params(role=role, scopes=APPROVED[standing], token=None, **client)
        async with self.socket(PLACES[0]) as connection:
            hello = await entered(connection, params | {"auth": self.shared()}, name)
        assert hello["ok"], hello
        token: str = hello["payload"]["auth"]["deviceToken"]
        if standing == "revoked":
            await self._revoke(name)
        return token

    async def _revoke(self, name: str) -> None:
        admin, _ = await self.device("full", "operator")
        async with self.socket(PLACES[0]) as connection:
            params = connect_params(scopes=FULL, token=None) | {"auth": self.shared()}
            assert (await entered(connection, params, admin))["ok"]
            told = {"deviceId": Identity(name).device_id, "role": "operator"}
            revoked = await connection.call("revoke", "device.token.revoke", told)
            assert revoked["ok"], (name, revoked)

    @asynccontextmanager
    async def socket(self, where: Place) -> AsyncGenerator[Connection]:
        """A connection from there."""
        connector = aiohttp.TCPConnector(local_addr=(where.peer, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            Connection(session, self.gateway.url, dict(where.headers)) as connection,
        ):
            yield connection

    async def shown(self, credential: Credential) -> tuple[dict[str, Any], str | None]:
        """The connect params of a credential, and the device that signs them."""
        name, own = None, ""
        if credential.device is not None:
            name, own = await self.device(credential.device, credential.role)
        words = {"shared": TOKEN, "wrong": "w" * 43, "hooks": HOOKS_TOKEN, "own": own}
        if credential.token == "other":
            words["other"] = (await self.device("reader", "operator"))[1]
        auth = {
            key: words[which]
            for key, which in (("token", credential.token), ("password", credential.password))
            if which is not None
        }
        params = connect_params(role=credential.role, token=None, client_id=credential.client)
        del params["scopes"]
        return params | ({"auth": auth} if auth else {}), name


def config(mode: str, **auth: Any) -> dict[str, Any]:
    """A gateway behind a proxy of its own machine, with everything that HTTP offers."""
    offered = ("chatCompletions", "responses", "embeddings")
    endpoints = {name: {"enabled": True} for name in offered}
    made = settings(
        1,
        auth={"mode": mode, mode: TOKEN, "rateLimit": {"maxAttempts": 10_000}, **auth},
        trustedProxies=["127.0.0.1"],
        allowedOrigins=["https://panel.example"],
        http={"endpoints": endpoints},
    )
    mapping = {"match": {"path": "nobody"}, "messageTemplate": "{{title}}"}
    return made | {"hooks": {"enabled": True, "token": HOOKS_TOKEN, "mappings": [mapping]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def houses(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[dict[str, House]]:
    home: Path = tmp_path_factory.mktemp("authority")
    few = {"deviceLessScopes": ["operator.read"]}
    async with (
        running_gateway(home / "token", config("token")) as one,
        running_gateway(home / "password", config("password", **few)) as other,
    ):
        yield {"token": House(one, "token"), "password": House(other, "password")}


def told(answer: dict[str, Any]) -> str:
    """The word on authority, or `allowed`."""
    text = str(answer.get("error", {}).get("message", ""))
    return text if text.startswith(("missing scope:", "unauthorized role:")) else "allowed"


CALLERS: Final = [one for one in TABLE.credentials if one.bearer is None]


@pytest.mark.parametrize("credential", CALLERS, ids=lambda one: one.name.replace(" ", "-"))
async def test_who_comes_in_by_a_socket_and_what_opens_then(
    houses: dict[str, House], credential: Credential
):
    house, asked = houses[credential.mode], set[str]()
    for where in PLACES:
        if where.kind == "door":
            continue
        params, device = await house.shown(credential)
        wanted = TABLE.granted(credential, where, None)
        async with house.socket(where) as connection:
            answer = await entered(connection, params, device)
            if isinstance(wanted, str):
                assert not answer["ok"], where.name
                assert answer["error"]["message"].startswith(TEXTS[wanted]), where.name
                continue
            assert answer["ok"], (where.name, answer)
            if device is not None:
                assert answer["payload"]["auth"]["role"] == credential.role
            if where.kind in asked:
                continue  # the same class of place: the connect was looked at
            asked.add(where.kind)
            for name, need in TABLE.needs().items():
                answer = await connection.call(f"ask-{name}", name, UNKNOWN_PARAM)
                expected = TABLE.verdict(need, credential.role, wanted)
                assert told(answer) == expected, (where.name, name)
    assert asked or credential.refused


@pytest.mark.parametrize("where", [one for one in PLACES if one.kind == "door"], ids=str)
async def test_a_place_that_is_refused_gets_no_socket(houses: dict[str, House], where: Place):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with houses["token"].socket(where):
            pass
    assert refused.value.status == 403


# ---- the twins over HTTP --------------------------------------------------------------------

NEVER: Final = {"{name}": "nobody", "{agent_id}": "nobody", "{token}": "x", "{conn_id}": "x"}
TWINS: Final = [row for row in ENDPOINTS if row.gate is Gate.BEARER and "__" not in row.path]
OPEN: Final = [row for row in ENDPOINTS if row.gate is Gate.OPEN]
HOOKS: Final = [row for row in ENDPOINTS if row.gate is Gate.HOOK]


async def status_of(
    house: House, row: Endpoint, bearer: str | None, where: Place = PLACES[0]
) -> tuple[int, str]:
    """Status and text of an empty request."""
    path = row.path
    for name, value in NEVER.items():
        path = path.replace(name, value)
    headers = dict(where.headers) | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    if "avatar" in path:
        path += "?meta=1"
    connector = aiohttp.TCPConnector(local_addr=(where.peer, 0))
    url = f"{house.gateway.http}{path}"
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.request(row.verb, url, headers=headers, data=b"") as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize("row", TWINS, ids=lambda row: row.path)
async def test_an_endpoint_asks_for_what_its_twin_asks_for(houses: dict[str, House], row: Endpoint):
    """The bearer of one gateway reads and writes, that of the other reads."""
    assert row.twin is not None
    need = TABLE.needs()[row.twin]
    assert str(METHODS[row.twin].scope) == f"operator.{need}"
    held = {"token": ("read", "write"), "password": ("read",)}
    for mode, house in houses.items():
        verdict = TABLE.verdict(need, "operator", held[mode])
        for where in PLACES:
            status, text = await status_of(house, row, TOKEN, where)
            if where.kind == "door":
                assert status == 403
                assert "missing scope" not in text
            elif verdict == "allowed":
                assert status in (200, 400, 404), (where.name, status, text)
            else:
                assert (status, verdict in text) == (403, True), (where.name, text)


@pytest.mark.parametrize("row", TWINS, ids=lambda row: row.path)
async def test_no_other_word_opens_a_twin(houses: dict[str, House], row: Endpoint):
    house = houses["token"]
    own = (await house.device("full", "operator"))[1]
    for bearer in (None, "w" * 43, HOOKS_TOKEN, own):
        status, text = await status_of(house, row, bearer)
        if row.path == "/avatar/{agent_id}" and (bearer is None or status == 200):
            assert (status, text) == (200, '{"avatarUrl":null}')
        else:
            assert status == 401, (bearer, text)


@pytest.mark.parametrize("row", HOOKS, ids=lambda row: row.path)
async def test_a_hook_is_opened_by_its_own_token_alone(houses: dict[str, House], row: Endpoint):
    house = houses["token"]
    own = (await house.device("full", "operator"))[1]
    for bearer in (None, "w" * 43, TOKEN, own):
        assert (await status_of(house, row, bearer))[0] == 401
    assert (await status_of(house, row, HOOKS_TOKEN))[0] == 400


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.path)
async def test_what_is_open_is_open_to_strangers(houses: dict[str, House], row: Endpoint):
    assert (await status_of(houses["token"], row, None))[0] in (200, 503)
