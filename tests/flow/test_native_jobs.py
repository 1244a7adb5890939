"""The macOS app's window for jobs: every answer and event of it decodes as the app decodes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.auth import Identity
from support.gateway import TOKEN, gateway_with_model
from support.native_apps import MACOS, app_link, hello_of
from support.native_decoders import JOB_RESULTS

pytestmark = pytest.mark.slow

LINE = "Node: mac (10.0.0.7) · app 1.2.3 · last input 5s ago · mode local · reason launch"
TURN = {
    "name": "weather",
    "schedule": {"kind": "cron", "expr": "0 7 * * *", "tz": "Europe/Berlin"},
    "sessionTarget": "isolated",
    "wakeMode": "now",
    "payload": {"kind": "agentTurn", "message": "hello", "deliver": False},
    "isolation": {"postToMainPrefix": "Cron"},
}


async def test_all_that_the_app_asks_of_jobs_decodes(tmp_path: Path) -> None:
    got: dict[str, Any] = {}
    async with gateway_with_model(tmp_path) as gateway, app_link(gateway.url) as mac:
        hello_of(await mac.connect(MACOS, Identity(), TOKEN))

        async def ask(method: str, params: dict[str, Any]) -> Any:
            got[method] = await mac.call(method, params)
            return got[method]

        job = await ask("cron.add", TURN)
        assert (await mac.until("cron")).action == "added"
        assert [one.id for one in (await ask("cron.list", {"includeDisabled": True})).jobs] == [
            job.id
        ]
        assert (await ask("cron.status", {})).jobs == 1
        assert (await ask("cron.run", {"id": job.id, "mode": "force"})).ok
        [entry] = (await ask("cron.runs", {"id": job.id, "limit": 200})).entries
        assert entry.action == "finished"
        # What the job reports wakes the main session.
        assert (await mac.until("heartbeat")).status in ("skipped", "sent", "ok-token")
        assert (await mac.call("last-heartbeat", None)).ts > 0
        patch = {"enabled": False}
        assert not (await ask("cron.update", {"id": job.id, "patch": patch})).enabled
        assert (await ask("cron.remove", {"id": job.id})).ok
        line = {"text": LINE, "instanceId": "i", "host": "mac", "lastInputSeconds": 5}
        assert (await ask("system-event", line)).ok
        assert (await ask("set-heartbeats", {"enabled": False})).ok
        presence = await mac.call("system-presence", None)
        assert "mac" in {getattr(one, "host", None) for one in presence}
    assert set(got) == set(JOB_RESULTS)
