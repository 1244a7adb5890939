"""Programs that speak to OpenAI's API are served by an agent, if they may write."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import msgspec
import pytest

from carapace.agent.providers.ports import TextPart, ToolResult
from carapace.agent.types import RunSource, RunState
from carapace.clock import SystemClock
from carapace.errors import Failed
from carapace.protocol.agent import PendingToolCall
from carapace.server.http_openai import ChatRoutes, ModelRoutes
from carapace.server.openai_door import OpenAiDoor
from carapace.sessions.keys import canonical
from support.chat_runs import Agents, ScriptedRuns, outcome
from support.openai_requests import ScriptedFiles, access
from support.server import TOKEN, running_server

PATH = "/v1/chat/completions"
BODY = {"model": "clawdbot", "messages": [{"role": "user", "content": "hello"}]}


def routes(runs):
    def prepare(server, admitter) -> None:
        judge = access(server, admitter)
        server.add(ModelRoutes(Agents(), access=judge, clock=SystemClock()))
        door = OpenAiDoor(
            runs,
            models=Agents(),
            to_key=canonical,
            access=judge,
            files=ScriptedFiles,
            max_body_bytes=1_048_576,
        )
        server.add(ChatRoutes(door, clock=SystemClock()))

    return prepare


@pytest.fixture
def runs() -> ScriptedRuns:
    return ScriptedRuns()


@pytest.fixture
async def ask(tmp_path, runs):
    async with (
        running_server(tmp_path, prepare=routes(runs)) as running,
        aiohttp.ClientSession() as http,
    ):

        async def ask(body=BODY, *, method="POST", path=PATH, token=TOKEN, **headers):
            data = io.BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body))
            if token:
                headers["Authorization"] = f"Bearer {token}"
            async with http.request(
                method, running.url + path, data=data, headers=headers
            ) as response:
                return response.status, await response.text(), response.headers

        yield ask


def events(text: str) -> list:
    rows = [row.removeprefix("data: ") for row in text.split("\n\n") if row]
    assert rows[-1] == "[DONE]"
    return [msgspec.json.decode(row) for row in rows[:-1]]


async def test_a_whole_answer_has_text_and_real_usage(ask, runs):
    status, text, _ = await ask()
    answer = msgspec.json.decode(text)
    assert status == 200
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Echo: hello"}
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert (answer["model"], answer["object"]) == ("clawdbot", "chat.completion")
    (submission,) = runs.submissions
    assert (submission.message, submission.source) == ("hello", RunSource.HTTP)


async def test_a_stream_has_role_text_and_a_finish_reason(ask):
    status, text, headers = await ask({**BODY, "stream": True})
    rows = events(text)
    assert (status, headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    deltas = [row["choices"][0]["delta"] for row in rows]
    assert deltas == [
        {"role": "assistant"},
        {"content": "Echo:"},
        {"content": " hello"},
        {},
    ]
    assert rows[-1]["choices"][0]["finish_reason"] == "stop"
    assert len({row["id"] for row in rows}) == 1


async def test_usage_comes_last_if_asked_for(ask):
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    last = events((await ask(body))[1])[-1]
    assert last["usage"]["total_tokens"] == 5


async def test_an_error_is_an_error(ask, runs):
    runs.ending = outcome(None)
    status, text, _ = await ask()
    assert (status, msgspec.json.decode(text)["error"]["message"]) == (500, "no model")
    assert events((await ask({**BODY, "stream": True}))[1])[-1]["error"]["message"] == "no model"


async def test_a_stream_that_breaks_says_so(ask, runs):
    runs.error = Failed("gone")
    last = events((await ask({**BODY, "stream": True}))[1])[-1]
    assert "cut short" in last["error"]["message"]


async def test_what_the_models_vendor_refused_is_an_error_too(ask, runs):
    runs.ending = outcome("HTTP 400: no", state=RunState.ERROR)
    status, text, _ = await ask()
    assert (status, msgspec.json.decode(text)["error"]) == (
        502,
        {"message": "HTTP 400: no", "type": "api_error"},
    )
    runs.texts = ()
    assert "HTTP 400: no" in (await ask({**BODY, "stream": True}))[1]


CALL = PendingToolCall("c1", "get_weather", '{"city":"Oslo"}')
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]
CALLED = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
}


async def test_a_call_of_the_callers_tool_is_handed_out(ask, runs):
    runs.ending, runs.texts = outcome("", stop_reason="tool_calls", calls=(CALL,)), ()
    choice = msgspec.json.decode((await ask({**BODY, "tools": TOOLS}))[1])["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {"role": "assistant", "content": None, "tool_calls": [CALLED]}
    assert runs.submissions[0].client_tools[0].name == "get_weather"
    rows = events((await ask({**BODY, "tools": TOOLS, "stream": True}))[1])
    assert rows[1]["choices"][0]["delta"] == {"tool_calls": [{"index": 0, **CALLED}]}
    assert rows[2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_its_result_comes_back_as_one(ask, runs):
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    await ask({"model": "x", "messages": messages, "tools": TOOLS, "tool_choice": "required"})
    (submission,) = runs.submissions
    assert submission.tool_results == (ToolResult("c1", "get_weather", "rain"),)
    assert submission.message == ""
    assert submission.earlier[0].parts == (TextPart("weather?"),)
    assert "get_weather" in submission.extra_system_prompt


async def test_headers_of_any_brand_choose_agent_and_session(ask, runs):
    await ask(**{"x-openclaw-agent-id": "work", "x-moltbot-session-key": "main"})
    assert runs.submissions[0].session_key == "agent:work:main"


async def test_a_picture_that_may_not_be_had_is_refused(ask, runs):
    part: Any = {"type": "image_url", "image_url": {"url": "https://private/"}}
    body = {"messages": [{"role": "user", "content": [part]}]}
    assert (await ask(body))[0] == 400
    part["image_url"]["url"] = "https://public/"
    assert (await ask(body))[0] == 200
    assert runs.submissions[0].images[0].data == "https://public/"


async def test_one_model_can_be_asked_for(ask):
    status, text, _ = await ask(method="GET", path="/v1/models/carapace:work", body=b"")
    assert (status, msgspec.json.decode(text)["id"]) == (200, "carapace:work")
    assert (await ask(method="GET", path="/v1/models/gpt-5", body=b""))[0] == 404
    refused = await ask(method="GET", path="/v1/models/x", body=b"", token="wrong")
    assert refused[0] == 401


async def test_an_answer_that_takes_too_long_is_503(ask, runs):
    runs.ending = None
    assert (await ask())[0] == 503


@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", "/v1/models")])
async def test_without_the_right_credential_it_is_401(ask, runs, token, method, path):
    status, text, headers = await ask(method=method, path=path, token=token)
    assert status == 401
    assert msgspec.json.decode(text) == {
        "error": {"message": "Unauthorized", "type": "unauthorized"}
    }
    assert headers["WWW-Authenticate"] == "Bearer"
    assert runs.submissions == []


async def test_who_is_locked_out_is_told_how_long(ask):
    status, _, headers = await ask(token="locked")
    assert (status, headers["Retry-After"]) == (429, "2")


async def test_reading_is_not_enough_to_write(ask, runs):
    status, text, _ = await ask(token="reader")
    assert (status, runs.submissions) == (403, [])
    assert "operator.write" in text
    assert (await ask(method="GET", path="/v1/models", token="reader"))[0] == 200


async def test_agents_are_listed_as_models(ask):
    _, text, _ = await ask(method="GET", path="/v1/models")
    assert [row["id"] for row in msgspec.json.decode(text)["data"]][-1] == "carapace:work"


@pytest.mark.parametrize("body", [b"{bad", {"model": "x"}])
async def test_bad_bodies_are_400(ask, body):
    assert (await ask(body))[0] == 400


async def test_a_wrong_method_is_405_with_allow(ask):
    status, _, headers = await ask(method="GET")
    assert (status, headers["Allow"]) == (405, "POST")


async def test_an_oversize_body_is_answered_with_413(ask):
    status, text, _ = await ask(b"x" * 1_100_000)
    assert status == 413
    assert "1048576 bytes" in text


async def test_who_hangs_up_ends_the_run(tmp_path, runs):
    runs.is_endless = True

    async with running_server(tmp_path, prepare=routes(runs)) as running:
        async with aiohttp.ClientSession() as http:
            response = await http.post(
                running.url + PATH,
                json={**BODY, "stream": True},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            await response.content.readany()
            response.close()
        async with asyncio.timeout(5):
            await runs.aborted.wait()
