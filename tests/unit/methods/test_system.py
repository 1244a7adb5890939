"""What reaches the main session, and who is listed as present."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.errors import Refused
from carapace.methods.system import presence_of
from carapace.protocol.system import SystemEventParams
from support.methods import MethodHouse, method_house

LINE = "Node: golden-host (10.0.0.7) · app 1.2.3 · last input 5s ago · mode local · reason launch"


async def queued(house: MethodHouse) -> list[str]:
    return (await house.call("status"))["queuedSystemEvents"]


async def others(house: MethodHouse) -> list[dict[str, Any]]:
    return (await house.call("system-presence"))[1:]


async def test_heartbeats_are_switched_and_the_last_one_is_told():
    async with method_house() as house:
        assert await house.call("last-heartbeat") is None
        for wish in (False, True):
            answer = await house.call("set-heartbeats", {"enabled": wish})
            assert answer == {"ok": True, "enabled": wish}
        for odd in ("no", 1, None):
            with pytest.raises(Refused, match=r"params: enabled \(boolean\) required"):
                await house.call("set-heartbeats", {"enabled": odd})


async def test_a_wake_leaves_a_text_and_asks_for_a_turn_if_now():
    async with method_house() as house:
        for mode in ("next-heartbeat", "now"):
            assert await house.call("wake", {"mode": mode, "text": f" {mode} "}) == {"ok": True}
        assert await queued(house) == ["next-heartbeat", "now"]
        [(agent_id, key)] = await house.services.wakes.wanted()
        assert (agent_id, key) == ("main", "agent:main:main")
        assert await house.call("wake", {"mode": "now", "text": "  "}) == {"ok": False}
        with pytest.raises(Refused, match="at /mode: must be equal to constant"):
            await house.call("wake", {"mode": "sometime", "text": "x"})


async def test_a_system_event_is_listed_and_queued():
    async with method_house() as house:
        assert await house.call("system-event", {"text": " golden system event "}) == {"ok": True}
        assert await queued(house) == ["golden system event"]
        now_ms = house.clock.now_ms()
        assert await others(house) == [{"text": "golden system event", "ts": now_ms}]
        # Five minutes later it is gone.
        await house.clock.advance(301)
        assert await others(house) == []


async def test_a_node_only_says_that_it_is_there():
    async with method_house() as house:
        await house.call("system-event", {"text": LINE, "instanceId": "G1", "tags": ["golden"]})
        await house.call("system-event", {"text": LINE, "instanceId": "g1", "reason": "periodic"})
        assert await queued(house) == []
        [entry] = await others(house)
        assert entry == {
            "host": "golden-host",
            "ip": "10.0.0.7",
            "version": "1.2.3",
            "mode": "local",
            "lastInputSeconds": 5,
            "instanceId": "g1",
            "reason": "periodic",
            "text": LINE,
            "ts": house.clock.now_ms(),
        }


@pytest.mark.parametrize("text", [None, 5, "  "])
async def test_a_text_is_needed(text: Any):
    async with method_house() as house:
        with pytest.raises(Refused, match=r"^text required$"):
            await house.call("system-event", {"text": text})


def entry_of(**fields: Any) -> dict[str, Any]:
    params = msgspec.convert({"text": "x", **fields}, SystemEventParams)
    _, entry = presence_of("x", params, 7)
    return msgspec.to_builtins(entry)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(5, 5), (5.9, 5), (-3, 0), (1e300, 10**9), (float("nan"), 0), (True, None), ("5", None)],
)
def test_seconds_are_whole_and_bounded(given: Any, expected: int | None):
    assert entry_of(lastInputSeconds=given).get("lastInputSeconds") == expected


def test_fields_of_another_type_count_as_absent():
    odd = entry_of(host=5, roles="all", scopes=[1, " a ", ""], platform="p" * 500)
    assert set(odd) == {"platform", "scopes", "text", "ts"}
    assert len(odd["platform"]) == 200
    assert list(odd["scopes"]) == ["a"]
