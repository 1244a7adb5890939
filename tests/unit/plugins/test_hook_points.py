from __future__ import annotations

import json
from typing import Any

import pytest

from carapace.errors import Failed, Refused
from carapace.hooks.points import (
    AFTER_TOOL_CALL,
    BEFORE_TOOL_CALL,
    MESSAGE_SENDING,
    SESSION_END,
    BeforeToolCall,
    HookPoint,
    MessageSending,
    SessionEnd,
)
from carapace.plugins.errors import GuestError
from carapace.plugins.hook_points import attach_hooks
from carapace.provenance import OWNER
from support.hook_bus import hook_bus
from support.scripted_host import ScriptedHost, guest_of

SENDING = MessageSending(channel="c", account="a", conversation="r", text="hello", attempt=1)


@pytest.fixture
async def bus():
    async with hook_bus() as made:
        yield made


@pytest.fixture
def host():
    return ScriptedHost()


def wants(host, *names):
    host.script("hooks.points", lambda: list(names))


async def attached(host, bus, answer, point: HookPoint[Any] = MESSAGE_SENDING):
    wants(host, point.name)
    host.script("hooks.on-hook", answer)
    return await attach_hooks(guest_of(host), bus, granted=[point.name])


async def test_it_may_change_what_the_point_lets_it_change(host, bus):
    await attached(host, bus, lambda point, event: json.dumps({"text": "bye"}))
    assert (await bus.change(MESSAGE_SENDING, SENDING)).text == "bye"


async def test_it_sees_the_whole_event(host, bus):
    await attached(host, bus, lambda point, event: None)
    assert await bus.change(MESSAGE_SENDING, SENDING) == SENDING
    point, event = host.calls[-1].arguments
    assert point == "message_sending"
    assert json.loads(event)["conversation"] == "r"


async def test_it_may_give_the_whole_event_back(host, bus):
    await attached(host, bus, lambda point, event: event, BEFORE_TOOL_CALL)
    call = BeforeToolCall(
        run_id="r", session_key="s", agent_id="a", provenance=OWNER, tool="t", arguments="{}"
    )
    assert await bus.change(BEFORE_TOOL_CALL, call) == call


@pytest.mark.parametrize(
    "answer",
    ['{"conversation": "elsewhere"}', '{"text": 7}', "[]", "no json", '{"text": null}'],
)
async def test_what_it_may_not_change_stays(host, bus, answer):
    await attached(host, bus, lambda point, event: answer)
    assert await bus.change(MESSAGE_SENDING, SENDING) == SENDING


async def test_it_may_stop_what_has_a_veto(host, bus):
    await attached(host, bus, lambda point, event: json.dumps({"cancelled": "no swearing"}))
    assert (await bus.change(MESSAGE_SENDING, SENDING)).cancelled == "no swearing"


async def test_without_it_the_gateway_goes_on(host, bus):
    def broken(point, event):
        raise GuestError("x", "broken")

    await attached(host, bus, broken)
    assert await bus.change(MESSAGE_SENDING, SENDING) == SENDING


async def test_a_watcher_is_told_and_changes_nothing(host, bus):
    await attached(host, bus, lambda point, event: "{}", SESSION_END)
    bus.tell(SESSION_END, SessionEnd(session_key="s", session_id="i", agent_id="a", reason="reset"))
    await bus.drain(2)
    assert len(host.made("hooks", "on-hook")) == 1


async def test_detached_it_hears_nothing(host, bus):
    detach = await attached(host, bus, lambda point, event: json.dumps({"text": "bye"}))
    detach()
    detach()
    assert await bus.change(MESSAGE_SENDING, SENDING) == SENDING
    assert bus.heard == frozenset()


async def test_a_point_that_was_not_granted_is_refused(host, bus):
    wants(host, "message_sending", AFTER_TOOL_CALL.name)
    with pytest.raises(Refused, match="after_tool_call"):
        await attach_hooks(guest_of(host), bus, granted=["message_sending"])
    assert bus.heard == frozenset()


async def test_a_point_that_is_not_there_is_refused(host, bus):
    wants(host, "before_everything")
    with pytest.raises(Refused, match="does not have"):
        await attach_hooks(guest_of(host), bus, granted=["before_everything"])


async def test_one_that_says_nothing_useful_is_refused(host, bus):
    host.script("hooks.points", lambda: 7)
    with pytest.raises(Refused, match="names no hooks"):
        await attach_hooks(guest_of(host), bus, granted=[])

    def broken():
        raise GuestError("x", "broken")

    host.script("hooks.points", broken)
    with pytest.raises(Failed, match="broken"):
        await attach_hooks(guest_of(host), bus, granted=[])
