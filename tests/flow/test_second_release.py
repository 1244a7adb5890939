"""Where the second release of the Node gateway differs from the recorded one, we do as it does.

Both gateways run side by side and are asked the same.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from support.config_schema import strange_keys
from support.gateway import Started, model_server, running_gateway, settings
from support.stock_cli import OPENCLAW, node_folder, node_gateway
from support.ws import peer

pytestmark = [
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass(frozen=True)
class Pair:
    """The same settings, the same scripted model."""

    ours: Started
    theirs: Started

    async def __call__(self, method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Our answer and theirs."""
        return [await _answer(one, method, params) for one in (self.ours, self.theirs)]


async def _answer(gateway: Started, method: str, params: dict[str, Any]) -> dict[str, Any]:
    async with peer(gateway.url, device="second release") as client:
        answer: dict[str, Any] = await client.call("asked", method, params)
        return answer


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Pair]:
    folder, home = node_folder(OPENCLAW), tmp_path_factory.mktemp("second")
    async with model_server(home) as model:
        config = settings(model.port) | {"browser": {"enabled": False}}
        async with (
            node_gateway(folder, home / "theirs", config, brand=OPENCLAW) as theirs,
            running_gateway(home / "ours", config) as ours,
        ):
            yield Pair(ours, theirs)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("chat.send", {"sessionKey": "main", "message": "  ", "idempotencyKey": "blank"}),
        ("browser.request", {"method": "GET", "path": "/"}),
        ("browser.request", {}),
    ],
)
async def test_refusals_are_the_same(pair: Pair, method: str, params: dict[str, Any]):
    ours, theirs = await pair(method, params)
    assert not theirs["ok"], theirs
    assert ours["error"]["code"] == theirs["error"]["code"], (ours, theirs)
    assert ours["error"]["message"] == theirs["error"]["message"]


async def test_every_key_of_its_schema_may_be_written_by_clients(pair: Pair):
    theirs = await _answer(pair.theirs, "config.schema", {})
    assert strange_keys(theirs["payload"]["schema"]) == []


async def test_a_name_that_nobody_knows_is_refused_by_both(pair: Pair):
    for gateway in (pair.ours, pair.theirs):
        found = await _answer(gateway, "config.get", {})
        params = {"raw": '{"gateway": {"qqzz": 1}}', "baseHash": found["payload"]["hash"]}
        refused = await _answer(gateway, "config.set", params)
        assert refused["error"]["message"] == "invalid config", refused
        assert refused["error"]["details"] == {
            "issues": [{"path": "gateway", "message": 'Unrecognized key: "qqzz"'}]
        }
