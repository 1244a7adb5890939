"""Both chat endpoints come to a turn, and to its answer, in the same way."""

from __future__ import annotations

from typing import Any

import aiohttp
import aiohttp.web
import msgspec
import pytest

from carapace.agent.providers.ports import ForcedCall, ToolSpec
from carapace.agent.types import RunOutcome
from carapace.errors import Refused
from carapace.ids import AgentId, SessionKey
from carapace.server.openai_conversation import Asked, ClientTools
from carapace.server.openai_door import PROGRAM, OpenAiDoor
from carapace.sessions.keys import canonical
from support.chat_runs import Agents, ScriptedRuns, outcome
from support.openai_requests import ScriptedFiles, access
from support.server import TOKEN, running_server

QUESTION = Asked("hello", (), (), ())
SESSION = (AgentId("main"), SessionKey("agent:main:x"))
SPEC = ToolSpec("look", "", {"type": "object"})


class Echo:
    """An endpoint that gives the answer's text back, whatever its body says."""

    def __init__(self, door: OpenAiDoor) -> None:
        self._door = door

    def add_to(self, router: aiohttp.web.UrlDispatcher) -> None:
        router.add_post("/v1/responses", self.echo)

    async def echo(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        taken = await self._door.take(request, deadline_s=5.0)
        if isinstance(taken, aiohttp.web.Response):
            return taken
        body = taken.body
        forced = ClientTools((SPEC,), forced=ForcedCall())
        tools = forced if b"forced" in body else ClientTools()
        submission = self._door.submission(SESSION, QUESTION, tools, words=taken.words)
        if b"stream" in body:
            return await self._door.stream(request, submission, Words())
        return await self._door.answer(submission, lambda ended: {"state": ended.state})


class Words:
    def begin(self) -> bytes:
        return b"<"

    def text(self, more: str) -> bytes:
        return more.encode()

    def end(self, outcome: RunOutcome | None) -> bytes:
        assert outcome is not None
        return b"!>" if outcome.error else b">"


@pytest.fixture
def runs() -> ScriptedRuns:
    return ScriptedRuns()


@pytest.fixture
async def ask(tmp_path, runs):
    def prepare(server, admitter) -> None:
        server.add(Echo(door(runs, access=access(server, admitter))))

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(data=b"", token=TOKEN):
            head = {"Authorization": f"Bearer {token}"}
            async with http.post(
                running.url + "/v1/responses", data=data, headers=head
            ) as response:
                return response.status, await response.read()

        yield ask


def door(runs: ScriptedRuns, access: Any = None) -> OpenAiDoor:
    return OpenAiDoor(
        runs,
        models=Agents(),
        to_key=canonical,
        files=ScriptedFiles,
        max_body_bytes=16,
        access=access,
    )


async def test_an_answer_is_the_endpoints_body_or_an_errors_status(ask, runs):
    assert await ask() == (200, b'{"state":"done"}')
    runs.ending = outcome(None)
    status, body = await ask()
    assert (status, msgspec.json.decode(body)["error"]["message"]) == (500, "no model")


async def test_the_words_lack_what_the_credential_lacks(ask, runs):
    """The gateway's token alone is no administrator (rows A01 and Q07)."""
    await ask()
    assert [one.provenance for one in runs.submissions] == [PROGRAM.without_admin()]


async def test_a_stream_is_in_the_endpoints_events(ask):
    assert await ask(b"stream") == (200, b"<Echo: hello>")


async def test_who_may_not_and_what_is_too_long_starts_nothing(ask, runs):
    assert (await ask(token="wrong"))[0] == 401
    assert (await ask(b"x" * 17))[0] == 413
    assert runs.submissions == []


def test_a_submission_holds_the_programs_words_tools_and_prompts(runs):
    made = door(runs).submission(
        SESSION, QUESTION, ClientTools((SPEC,), "Call look."), "Be brief.", None, "", words=PROGRAM
    )
    assert (made.agent_id, made.session_key) == SESSION
    assert (made.message, made.client_tools, made.provenance) == ("hello", (SPEC,), PROGRAM)
    assert made.extra_system_prompt == "Be brief.\n\nCall look."
    plain = door(runs).submission(SESSION, QUESTION, ClientTools(), words=PROGRAM)
    assert plain.extra_system_prompt is None
    assert plain.run_id != made.run_id


def test_a_model_and_a_header_pick_agent_and_session(runs):
    way = door(runs)
    assert way.agent("gpt", {}) == "main"
    with pytest.raises(Refused, match="no agent"):
        way.agent("carapace:nobody", {})
    owner, key = way.session({}, AgentId("main"), "Bob", kind="openai")
    assert (owner, key) == ("main", "agent:main:openai-user:bob")


async def test_files_are_brought_anew_for_each_request(runs):
    way = door(runs)
    assert way.files() is not way.files()


async def test_a_forced_call_that_did_not_come_is_an_error_whole_or_streamed(ask, runs):
    status, body = await ask(b"forced")
    assert (status, "auto" in msgspec.json.decode(body)["error"]["message"]) == (400, True)
    assert runs.submissions[0].forced_call == ForcedCall()
    assert await ask(b"forced stream") == (200, b"<Echo: hello!>")
