"""A run behind a request: its events are written as they come, and hanging up ends it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from carapace.agent.types import RunOutcome, Submission
from carapace.errors import Failed
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import OWNER
from carapace.server import http_runs
from carapace.server.http_runs import DONE, event, run_to_end, stream_run
from support.chat_runs import ScriptedRuns
from support.server import running_server

ASKED = Submission(
    run_id=RunId("r"),
    session_key=SessionKey("agent:main:x"),
    shown_key="x",
    agent_id=AgentId("main"),
    message="hi",
    provenance=OWNER,
)


class Words:
    """The plainest events there are."""

    def begin(self) -> bytes:
        return b""

    def text(self, more: str) -> bytes:
        return event(more)

    def end(self, outcome: RunOutcome | None) -> bytes:
        return event(outcome.status if outcome else None, "end") + DONE


@pytest.fixture
def runs() -> ScriptedRuns:
    return ScriptedRuns()


class Route:
    def __init__(self, runs: ScriptedRuns) -> None:
        self._runs = runs

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/run", self._run)

    async def _run(self, request: web.Request) -> web.StreamResponse:
        return await stream_run(request, self._runs, ASKED, Words())


async def read(tmp_path, runs, *, pieces: int | None = None) -> str:
    async with (
        running_server(tmp_path, prepare=lambda server, _: server.add(Route(runs))) as running,
        aiohttp.ClientSession() as http,
    ):
        response = await http.get(running.url + "/run")
        if pieces is None:
            return await response.text()
        await response.content.readany()
        response.close()
        async with asyncio.timeout(5):
            await runs.aborted.wait()
        return ""


async def test_events_come_in_order(tmp_path, runs):
    assert await read(tmp_path, runs) == (
        'data: "Echo:"\n\ndata: " hello"\n\nevent: end\ndata: "ok"\n\ndata: [DONE]\n\n'
    )


async def test_a_run_that_is_lost_ends_without_outcome(tmp_path, runs):
    runs.error = Failed("gone")
    assert "data: null" in await read(tmp_path, runs)


async def test_who_hangs_up_ends_the_run(tmp_path, runs):
    runs.is_endless = True
    await read(tmp_path, runs, pieces=1)
    assert runs.aborted.is_set()


async def test_who_does_not_read_is_cut_off(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(http_runs, "_WRITE_DEADLINE_S", 0.05)
    runs.is_endless = True
    async with running_server(
        tmp_path, prepare=lambda server, _: server.add(Route(runs))
    ) as running:
        _reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET /run HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(5):
            await runs.aborted.wait()
        writer.close()


async def test_a_whole_answer_is_waited_for(runs):
    assert (await run_to_end(runs, ASKED)).status == "ok"
    runs.ending = None
    with pytest.raises(Failed, match="took too long"):
        await run_to_end(runs, ASKED)
