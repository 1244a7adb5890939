"""`cron.*` as clients call them."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.errors import Failed, Refused
from support.methods import MethodHouse, method_house

JOB = {
    "name": "golden job",
    "schedule": {"kind": "every", "everyMs": 3_600_000},
    "sessionTarget": "main",
    "wakeMode": "next-heartbeat",
    "payload": {"kind": "systemEvent", "text": "golden tick"},
}


async def added(house: MethodHouse, **more: Any) -> dict[str, Any]:
    return await house.call("cron.add", {**JOB, **more})


async def test_the_whole_life_of_a_job():
    async with method_house() as house:
        job = await added(house)
        now_ms = house.clock.now_ms()
        assert job == {
            "id": job["id"],
            "enabled": True,
            "createdAtMs": now_ms,
            "updatedAtMs": now_ms,
            **JOB,
            "state": {"nextRunAtMs": now_ms + 3_600_000},
        }
        assert (await house.call("cron.list"))["jobs"] == [job]
        status = await house.call("cron.status")
        assert status == {
            "enabled": True,
            "storePath": "carapace.db",
            "jobs": 1,
            "nextWakeAtMs": now_ms + 3_600_000,
        }
        changed = await house.call(
            "cron.update", {"jobId": job["id"], "patch": {"enabled": False, "name": "x"}}
        )
        assert (changed["name"], changed["enabled"], changed["state"]) == ("x", False, {})
        assert (await house.call("cron.list"))["jobs"] == []
        assert len((await house.call("cron.list", {"includeDisabled": True}))["jobs"]) == 1
        assert await house.call("cron.run", {"id": job["id"]}) == {
            "ok": True,
            "ran": False,
            "reason": "not-due",
        }
        assert await house.call("cron.run", {"id": job["id"], "mode": "force"}) == {
            "ok": True,
            "ran": True,
        }
        [entry] = (await house.call("cron.runs", {"id": job["id"], "limit": 5}))["entries"]
        assert (entry["action"], entry["status"], entry["summary"]) == (
            "finished",
            "ok",
            "golden tick",
        )
        assert (await house.call("status"))["queuedSystemEvents"] == ["golden tick"]
        for expected in (True, False):
            answer = await house.call("cron.remove", {"id": job["id"]})
            assert answer == {"ok": True, "removed": expected}


@pytest.mark.parametrize("method", ["cron.remove", "cron.run", "cron.runs"])
@pytest.mark.parametrize("params", [{}, {"id": "a", "jobId": "a"}])
async def test_a_job_is_named_in_one_way(method: str, params: dict[str, str]):
    async with method_house() as house:
        with pytest.raises(Refused, match=f"invalid {method} params: must have required property"):
            await house.call(method, params)


async def test_an_unknown_job_fails_as_in_the_node_gateway():
    async with method_house() as house:
        with pytest.raises(Failed, match=r"^Error: unknown cron job id: nope$"):
            await house.call("cron.update", {"id": "nope", "patch": {"enabled": True}})


async def test_a_property_that_is_unknown_is_refused():
    async with method_house() as house:
        with pytest.raises(Refused, match="unexpected property 'surprise'"):
            await house.call("cron.list", {"surprise": True})
        with pytest.raises(Refused, match=r"invalid cron.add params"):
            await added(house, payload={"kind": "other"})
