"""What a chat request means for a turn, and how an outcome looks to its sender."""

from __future__ import annotations

import msgspec
import pytest

from carapace.errors import Refused
from carapace.server.openai_wire import (
    ChatRequest,
    Completion,
    chunk,
    completion,
    decode_request,
    model_list,
    plan_chat,
    usage_chunk,
)
from support.chat_runs import outcome

AGENTS = ("main", "work")
HEAD = Completion("id", "m", 7)


def request(*messages: tuple[str, object], **more: object) -> ChatRequest:
    rows = [{"role": role, "content": content} for role, content in messages]
    return decode_request(msgspec.json.encode({"messages": rows, **more}))


def test_a_single_message_is_passed_as_it_is():
    plan = plan_chat(request(("user", "hello")), {}, AGENTS)
    assert (plan.message, plan.agent_id, plan.system_prompt) == ("hello", "main", None)


def test_what_was_said_before_is_quoted_and_system_texts_go_apart():
    plan = plan_chat(
        request(
            ("system", "Be brief."),
            ("developer", "Be kind."),
            ("user", "one"),
            ("assistant", "two"),
            ("tool", "ignored"),
            ("user", [{"type": "text", "text": "three"}, {"type": "image_url"}, 5]),
            ("assistant", "prefill is left out"),
        ),
        {},
        AGENTS,
    )
    assert plan.system_prompt == "Be brief.\n\nBe kind."
    assert "User: one\nAssistant: two" in plan.message
    assert plan.message.endswith("\nthree")


@pytest.mark.parametrize("messages", [[], [("assistant", "x")], [("user", " ")], [("user", 5)]])
def test_without_a_user_message_it_is_refused(messages):
    with pytest.raises(Refused, match="Missing user message"):
        plan_chat(request(*messages), {}, AGENTS)


@pytest.mark.parametrize("body", [b"{bad", b"[]", b'{"messages":5}', b'{"model":"\xff"}'])
def test_a_body_that_is_no_chat_request_is_refused(body):
    with pytest.raises(Refused, match="not a chat request"):
        decode_request(body)


@pytest.mark.parametrize(
    ("model", "headers", "agent"),
    [
        ("gpt-something", {}, "main"),
        ("openai/gpt", {}, "main"),
        ("carapace", {}, "main"),
        ("clawdbot:work", {}, "work"),
        ("openclaw/work", {}, "work"),
        ("gpt", {"x-moltbot-agent-id": "WORK"}, "work"),
        ("carapace:main", {"x-carapace-agent-id": "work"}, "work"),
    ],
)
def test_only_our_own_names_pick_an_agent(model, headers, agent):
    assert plan_chat(request(("user", "x"), model=model), headers, AGENTS).agent_id == agent


@pytest.mark.parametrize("name", ["nobody", "../main", "a" * 200])
def test_an_unknown_agent_is_refused_with_the_known_ones(name):
    with pytest.raises(Refused, match="use one of main, work"):
        plan_chat(request(("user", "x"), model=f"carapace:{name}"), {}, AGENTS)


def test_sessions_are_fresh_named_by_user_or_given():
    one = plan_chat(request(("user", "x")), {}, AGENTS).session_key
    two = plan_chat(request(("user", "x")), {}, AGENTS).session_key
    assert one != two
    assert one.startswith("agent:main:openai:")
    named = plan_chat(request(("user", "x"), user=" Alice/../ "), {}, AGENTS).session_key
    assert named == "agent:main:openai-user:alice-.."
    headers = {"x-clawdbot-session-key": "main"}
    assert plan_chat(request(("user", "x")), headers, AGENTS).session_key == "agent:main:main"


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


def test_an_outcome_without_result_is_empty_and_free():
    answer = completion(HEAD, outcome(None))
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert "''" in str(answer["choices"])


def test_chunks_share_their_head():
    assert chunk(HEAD, {"content": "x"})["choices"] == [
        {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    ]
    last = usage_chunk(HEAD, outcome("hi", input_tokens=3, output_tokens=2))
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_each_agent_is_a_model():
    rows = model_list(AGENTS, 7)["data"]
    assert [row["id"] for row in rows] == ["carapace", "carapace:main", "carapace:work"]  # type: ignore[index]
