"""What a chat request says, and how an outcome looks to its sender."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.ports import ForcedCall, ImagePart, TextPart, ToolCall, ToolResult
from carapace.agent.types import RunState, Submission
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.protocol.agent import PendingToolCall
from carapace.server.openai_wire import (
    UNCALLED,
    Completion,
    chunk,
    completion,
    conversation,
    decode_request,
    failure_of,
    finish_of,
    model_list,
    model_row,
    obeyed,
    usage_chunk,
)
from support.chat_runs import outcome
from support.openai_requests import ScriptedFiles

AGENTS = ("main", "work")
HEAD = Completion("id", "m", 7)


async def read(*messages):
    asked = decode_request(msgspec.json.encode({"messages": messages}))
    return await conversation(asked.messages, ScriptedFiles())


async def test_system_texts_go_apart():
    said, system = await read(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "one"},
        {"role": "narrator", "content": "ignored"},
    )
    assert system == "Be brief.\n\nBe kind."
    assert [message.role for message in said] == ["user"]


async def test_parts_of_a_message_are_texts_and_pictures():
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:x"}},
        {"type": "image_url", "image_url": "https://public/"},
        {"type": "audio"},
        5,
    ]
    said, _ = await read({"role": "user", "content": content})
    assert said[0].parts == (
        TextPart("look"),
        ImagePart("image/png", "data:x"),
        ImagePart("image/png", "https://public/"),
    )


async def test_a_picture_without_address_is_refused():
    with pytest.raises(Refused, match="image_url"):
        await read({"role": "user", "content": [{"type": "image_url"}]})


async def test_calls_and_results_keep_their_names():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said, _ = await read(
        {"role": "assistant", "content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}, 5]},
        {"role": "tool", "tool_call_id": "c2", "name": "g", "content": 5},
    )
    assert said[0].parts == (TextPart("hm"), ToolCall("c1", "f", "{}"))
    assert said[1].parts == (ToolResult("c1", "f", "a"),)
    assert said[2].parts == (ToolResult("c2", "g", ""),)


async def test_an_empty_message_has_no_parts():
    said, _ = await read({"role": "user", "content": None}, {"role": "assistant"})
    assert [message.parts for message in said] == [(), ()]


@pytest.mark.parametrize("body", [b"{bad", b"[]", b'{"messages":5}', b'{"model":"\xff"}'])
def test_a_body_that_is_no_chat_request_is_refused(body):
    with pytest.raises(Refused, match="not a chat request"):
        decode_request(body)


def test_an_answer_has_text_a_finish_reason_and_real_usage():
    assert completion(HEAD, outcome("hi", input_tokens=3, output_tokens=2)) == {
        "id": "id",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_words_beside_a_call_are_kept():
    found: Any = completion(HEAD, outcome("wait", calls=(PendingToolCall("c", "f", ""),)))
    message = found["choices"][0]["message"]
    assert message["content"] == "wait"
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_an_outcome_without_result_is_empty_and_free():
    answer = completion(HEAD, outcome(None))
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert "''" in str(answer["choices"])


@pytest.mark.parametrize(
    ("reason", "finish"),
    [(None, "stop"), ("length", "length"), ("filtered", "content_filter")],
)
def test_why_an_answer_ended_is_told_in_openai_s_words(reason, finish):
    assert finish_of(outcome("x", stop_reason=reason)) == finish


def test_our_failure_and_the_vendor_s_refusal_are_told_apart():
    assert failure_of(outcome("x")) is None
    assert failure_of(outcome(None)) == (500, "no model")
    assert failure_of(outcome("HTTP 400: no", state=RunState.ERROR)) == (502, "HTTP 400: no")
    bare = msgspec.structs.replace(outcome("x", state=RunState.ERROR), result=None)
    assert failure_of(bare) == (502, "completed")


def test_a_chunk_has_a_delta_and_usage_has_no_choices():
    assert chunk(HEAD, {"content": "x"})["choices"] == [
        {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    ]
    last: Any = usage_chunk(HEAD, outcome("x", input_tokens=1))
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 1)


def test_agents_are_models():
    listed: Any = model_list(AGENTS, 7)
    assert [row["id"] for row in listed["data"]] == ["carapace", "carapace:main", "carapace:work"]


@pytest.mark.parametrize(
    ("name", "is_known"),
    [("carapace", True), ("openclaw/work", True), ("clawdbot:x", False), ("gpt", False)],
)
def test_a_model_is_known_if_its_name_picks_an_agent(name, is_known):
    assert (model_row(name, AGENTS, 7) is not None) is is_known


def test_a_forced_call_that_did_not_come_is_the_programs_affair():
    forced = Submission(
        run_id=RunId("r"),
        session_key=SessionKey("agent:main:x"),
        shown_key="x",
        agent_id=AgentId("main"),
        message="hi",
        forced_call=ForcedCall(),
    )
    said = outcome("words")
    assert failure_of(obeyed(forced, said)) == (400, UNCALLED)
    assert obeyed(msgspec.structs.replace(forced, forced_call=None), said) is said
    cut = outcome("words", stop_reason="length")
    refused = outcome("HTTP 400", state=RunState.ERROR)
    called = outcome("", stop_reason="tool_calls", calls=(PendingToolCall("c", "a", "{}"),))
    for fine in (cut, refused, called):
        assert obeyed(forced, fine) is fine
