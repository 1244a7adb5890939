"""`talk.mode` as a client asks it."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Failed, Refused
from carapace.methods.talk import METHODS
from carapace.protocol.scopes import Scope
from support.auth import LOCAL
from support.methods import FakeCall, method_house
from support.nodes import node_caller
from support.server import client_info, make_caller


def test_it_needs_the_write_scope() -> None:
    assert METHODS["talk.mode"].scope is Scope.WRITE


@pytest.mark.parametrize(("given", "phase"), [({"phase": "listening"}, "listening"), ({}, None)])
async def test_the_mode_is_answered_and_told(given: dict[str, Any], phase: str | None) -> None:
    async with method_house() as house:
        answer = await house.call("talk.mode", {"enabled": True, **given})
        assert answer == {"enabled": True, "phase": phase, "ts": house.clock.now_ms()}
        assert house.agent_house.told("talk.mode") == [answer]


async def test_what_is_no_boolean_is_refused() -> None:
    async with method_house() as house:
        with pytest.raises(Refused, match="at /enabled: must be boolean"):
            await house.call("talk.mode", {"enabled": "yes"})


@pytest.mark.parametrize("client", [client_info("webchat"), client_info("ui", id="webchat-ui")])
async def test_a_chat_page_needs_a_phone(client: Any) -> None:
    async with method_house() as house:
        page = FakeCall(make_caller(client=client))
        with pytest.raises(Failed, match="no connected iOS/Android nodes"):
            await house.call("talk.mode", {"enabled": True}, page)
        assert house.agent_house.told("talk.mode") == []
        house.services.nodes.connected(node_caller("n1", platform="iOS 17"), LOCAL)
        assert (await house.call("talk.mode", {"enabled": True}, page))["enabled"] is True
