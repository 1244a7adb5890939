"""Jobs of the real process: they fire, and kill -9 at random moments neither doubles nor loses one.

What is counted is on disk: the ledger of slots, the messages and turns that runs left, and what the
model was asked.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.fake_llm import fake_llm
from support.gateway import Started, ended, restart, running_gateway, settings, start_gateway
from support.polling import until
from support.ws import peer

KILLS = 4
TEXTS, TURNS = 4, 4
EVERY_MS = 1_000
OLDEST_MS = 1_500


async def asked(connection: Connection, method: str, params: dict[str, Any]) -> Any:
    answer = await connection.call(f"{method}-{random.random()}", method, params)
    assert answer["ok"], answer
    return answer["payload"]


def schedule() -> dict[str, Any]:
    return {"kind": "every", "everyMs": EVERY_MS}


async def add_jobs(connection: Connection) -> None:
    for number in range(TEXTS):
        payload = {"kind": "systemEvent", "text": f"text {number}"}
        await asked(
            connection,
            "cron.add",
            {"name": f"text {number}", "schedule": schedule(), "payload": payload},
        )
    for number in range(TURNS):
        payload = {"kind": "agentTurn", "message": f"[[delay:{40 * number}]] turn {number}"}
        await asked(
            connection,
            "cron.add",
            {"name": f"turn {number}", "schedule": schedule(), "payload": payload},
        )


def rows(gateway: Started, sql: str) -> list[sqlite3.Row]:
    path = gateway.state_dir / "carapace.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_kills_at_random_moments_double_and_lose_nothing(tmp_path: Path):
    luck = random.Random(int(os.environ.get("CARAPACE_CHAOS_SEED", "20261123")))
    async with fake_llm() as model:
        port = int(model.url.rpartition(":")[2])
        config = settings(port) | {"cron": {"maxConcurrentRuns": 4}}
        gateway = await start_gateway(tmp_path / "gateway", config)
        try:
            async with peer(gateway.url, device="cron") as connection:
                await add_jobs(connection)
            for _ in range(KILLS):
                await asyncio.sleep(luck.uniform(0.3, 1.6))  # the random moment itself
                gateway.kill()
                await gateway.process.wait()
                gateway = await restart(gateway)
            await every_job_runs(gateway)
            await asked_to_stop(gateway)
        finally:
            await ended(gateway)
        assert_ledger_is_whole(gateway)
        done = rows(gateway, "SELECT count(*) AS n FROM cron_runs WHERE status = 'ok'")[0]["n"]
        assert done > KILLS
        starts = rows(
            gateway,
            "SELECT sum(starts) AS n FROM cron_runs JOIN cron_jobs USING (job_id) WHERE needs_turn",
        )[0]["n"]
        assert model.counts["/v1/chat/completions"] <= starts


async def every_job_runs(gateway: Started) -> None:
    """After the last kill no job is stuck: each begins a slot that was still to come."""
    now_ms = max(
        row["at_ms"] for row in rows(gateway, "SELECT max(slot_ms) AS at_ms FROM cron_runs")
    )
    wanted = TEXTS + TURNS
    sql = f"SELECT count(DISTINCT job_id) AS n FROM cron_runs WHERE slot_ms > {now_ms + OLDEST_MS}"  # noqa: S608 - a number of ours
    try:
        await until(lambda: rows(gateway, sql)[0]["n"] == wanted, deadline_s=20)
    except TimeoutError:
        jobs = [dict(row) for row in rows(gateway, "SELECT * FROM cron_jobs")]
        owed = [dict(row) for row in rows(gateway, "SELECT * FROM cron_runs WHERE state = 'owed'")]
        pytest.fail(f"a job is stuck: {jobs} {owed}")


async def asked_to_stop(gateway: Started) -> None:
    """Switch all jobs off, wait until nothing is owed, and stop in order."""
    async with peer(gateway.url, device="cron") as connection:
        for job in (await asked(connection, "cron.list", {}))["jobs"]:
            await asked(connection, "cron.update", {"id": job["id"], "patch": {"enabled": False}})
    sql = "SELECT count(*) AS n FROM cron_runs WHERE state = 'owed'"
    await until(lambda: rows(gateway, sql)[0]["n"] == 0, deadline_s=20)
    assert await gateway.stop() == 0


def assert_ledger_is_whole(gateway: Started) -> None:
    """Each run left what it should, once; each job's slots are steps from its making."""
    for row in rows(gateway, "SELECT * FROM cron_runs JOIN cron_jobs USING (job_id)"):
        assert (row["slot_ms"] - row["created_at_ms"]) % EVERY_MS == 0
        assert row["status"] == "ok" or row["starts"] == 3, dict(row)
    texts = rows(
        gateway,
        "SELECT run_id,"
        " (SELECT count(*) FROM messages WHERE message_id = run_id || '/outside') AS n"
        " FROM cron_runs JOIN cron_jobs USING (job_id) WHERE needs_turn = 0",
    )
    # The same words are not said twice in a row: none is there twice, and hardly one is missing.
    assert all(row["n"] <= 1 for row in texts)
    assert sum(row["n"] for row in texts) >= len(texts) - KILLS
    turns = rows(
        gateway,
        "SELECT status, (SELECT state FROM turns WHERE turns.run_id = cron_runs.run_id) AS state,"
        " (SELECT count(*) FROM messages WHERE message_id = cron_runs.run_id || '/1') AS answers"
        " FROM cron_runs JOIN cron_jobs USING (job_id) WHERE needs_turn = 1 AND status = 'ok'",
    )
    assert turns
    assert {(row["state"], row["answers"]) for row in turns} == {("done", 1)}


@pytest.mark.slow
async def test_a_job_fires_and_its_clients_hear_of_it(tmp_path: Path):
    async with fake_llm() as model:
        config = settings(int(model.url.rpartition(":")[2]))
        async with (
            running_gateway(tmp_path / "gateway", config) as gateway,
            peer(gateway.url, device="cron") as connection,
        ):
            payload = {"kind": "systemEvent", "text": "the time has come"}
            job = await asked(
                connection,
                "cron.add",
                {
                    "name": "soon",
                    "schedule": {"kind": "at", "at": "2020-01-01T00:00:00Z"},
                    "wakeMode": "now",
                    "deleteAfterRun": True,
                    "payload": payload,
                },
            )
            await connection.until(
                lambda: [
                    frame
                    for frame in connection.events("cron")
                    if frame["payload"]["action"] == "removed"
                ],
                "the end of the job",
            )
            told = [
                frame["payload"]["action"]
                for frame in connection.events("cron")
                if frame["payload"]["jobId"] == job["id"]
            ]
            assert told == ["added", "started", "finished", "removed"]
            # Its heartbeat looks at it, and the answer is a word of the agent's.
            [beat] = await connection.until(lambda: connection.events("heartbeat"), "a heartbeat")
            assert beat["payload"]["status"] == "skipped"
            assert beat["payload"]["reason"] == "no-target"
            last = await asked(connection, "last-heartbeat", {})
            assert last == beat["payload"]
            history = await asked(connection, "chat.history", {"sessionKey": "main"})
            texts = [part["text"] for one in history["messages"] for part in one["content"]]
            assert texts[0] == "the time has come"
            assert any(text.startswith("Echo:") for text in texts)
