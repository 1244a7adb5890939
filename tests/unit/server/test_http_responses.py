"""`/v1/responses`: turns like any other, which go on from each other by name."""

from __future__ import annotations

import aiohttp
import msgspec
import pytest

from carapace.agent.providers.ports import ToolResult
from carapace.agent.types import RunState
from carapace.clock import SystemClock
from carapace.server.http_responses import ResponsesRoutes
from carapace.server.openai_door import OpenAiDoor
from carapace.sessions.keys import canonical
from support.chat_runs import Agents, ScriptedRuns, outcome
from support.openai_requests import KnownAnswers, ScriptedFiles, access
from support.server import TOKEN, running_server

BODY = {"model": "clawdbot", "input": "hello"}


@pytest.fixture
def runs() -> ScriptedRuns:
    return ScriptedRuns()


@pytest.fixture
async def ask(tmp_path, runs):
    def prepare(server, admitter) -> None:
        door = OpenAiDoor(
            runs,
            models=Agents(),
            to_key=canonical,
            access=access(server, admitter),
            files=ScriptedFiles,
            max_body_bytes=100_000,
        )
        server.add(ResponsesRoutes(door, answers=KnownAnswers(), clock=SystemClock()))

    async with (
        running_server(tmp_path, prepare=prepare) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(token=TOKEN, headers=None, **body):
            head = {"Authorization": f"Bearer {token}", **(headers or {})}
            url = running.url + "/v1/responses"
            async with http.post(url, json={**BODY, **body}, headers=head) as response:
                text = await response.text()
                is_json = response.content_type == "application/json"
                return response.status, msgspec.json.decode(text) if is_json else text

        yield ask


async def test_a_whole_answer(ask, runs):
    status, body = await ask(instructions="Be brief.", user="Bob")
    assert (status, body["status"]) == (200, "completed")
    assert body["output"][0]["content"][0]["text"] == "Echo: hello"
    (submission,) = runs.submissions
    assert body["id"] == f"resp_{submission.run_id}"
    assert submission.extra_system_prompt == "Be brief."
    assert submission.session_key == "agent:main:openresponses-user:bob"


async def test_a_stream_ends_with_done(ask):
    status, text = await ask(stream=True)
    assert status == 200
    assert text.startswith("event: response.created\n")
    assert text.endswith("data: [DONE]\n\n")


async def test_errors_are_errors(ask, runs):
    runs.ending = outcome("HTTP 400: no", state=RunState.ERROR)
    status, body = await ask()
    assert (status, body["error"]["message"]) == (502, "HTTP 400: no")


async def test_an_answer_is_gone_on_from_in_its_session(ask, runs):
    items = [{"type": "function_call_output", "call_id": "c1", "output": "rain"}]
    status, body = await ask(previous_response_id="resp_known", input=items)
    assert (status, body["previous_response_id"]) == (200, "resp_known")
    (submission,) = runs.submissions
    assert (submission.session_key, submission.agent_id) == ("agent:work:kept", "work")
    assert submission.tool_results == (ToolResult("c1", "", "rain"),)


PAST = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"previous_response_id": "resp_gone"}, "no such answer"),
        ({"previous_response_id": "x" * 300}, "no such answer"),
        ({"previous_response_id": "resp_older"}, "gone on since"),
        ({"previous_response_id": "resp_known", "input": PAST}, "only what is new"),
        ({"input": ""}, "Missing user message in `input`"),
        ({"tools": [{"type": "web_search"}]}, "only tools of type function"),
    ],
)
async def test_what_cannot_be_done_honestly_is_refused(ask, runs, more, why):
    status, body = await ask(**more)
    assert (status, runs.submissions) == (400, [])
    assert why in body["error"]["message"]


async def test_headers_choose_the_session(ask, runs):
    await ask(headers={"x-openclaw-session-key": "main", "x-openclaw-agent-id": "work"})
    assert runs.submissions[0].session_key == "agent:work:main"


async def test_reading_is_not_enough(ask):
    assert (await ask(token="reader"))[0] == 403
    assert (await ask(token="wrong"))[0] == 401


async def test_a_long_body_is_413(ask):
    assert (await ask(input="x" * 100_001))[0] == 413
