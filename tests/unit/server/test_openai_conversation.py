"""A conversation is cut where the question begins, and the caller's tools are checked."""

from __future__ import annotations

import pytest

from carapace.agent.providers.ports import (
    ForcedCall,
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    ToolResult,
)
from carapace.errors import Refused
from carapace.ids import AgentId
from carapace.server.openai_conversation import (
    branded,
    calls_by_id,
    choose_agent,
    client_tools,
    cut,
    own_key,
    session_for,
)
from carapace.sessions.keys import canonical

AGENTS = ("main", "work")
MAIN = AgentId("main")
PICTURE = ImagePart("image/png", "aGk=")
CALL = ToolCall("c1", "f", "{}")
RESULT = ToolResult("c1", "f", "rain")


def user(*parts):
    return ModelMessage("user", tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def said(*parts):
    return ModelMessage("assistant", tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


def test_what_follows_the_last_answer_is_the_question():
    asked = cut([user("one"), said("two"), user("three", PICTURE)], field="messages")
    assert (asked.message, asked.images) == ("three", (PICTURE,))
    assert asked.earlier == (user("one"), said("two"))


def test_results_and_words_after_a_call_belong_together():
    messages = [user("one"), said(CALL), ModelMessage("tool", (RESULT,)), user("and?")]
    asked = cut(messages, field="messages")
    assert (asked.message, asked.tool_results) == ("and?", (RESULT,))
    assert asked.earlier == (user("one"), said(CALL))


def test_without_an_answer_yet_the_last_message_asks():
    asked = cut([user("one"), user(), user("two")], field="messages")
    assert (asked.message, asked.earlier) == ("two", (user("one"),))


def test_a_drafted_answer_at_the_end_is_left_out():
    assert cut([user("one"), said("so")], field="messages").message == "one"


@pytest.mark.parametrize("messages", [[], [said("x")], [user(" ")]])
def test_without_a_question_it_is_refused(messages):
    with pytest.raises(Refused, match="Missing user message in `input`"):
        cut(messages, field="input")


def test_a_picture_alone_is_a_question():
    assert cut([user(PICTURE)], field="messages").images == (PICTURE,)


FLAT = {"type": "function", "name": "a", "description": "d", "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "b", "parameters": None}}


def test_both_spellings_of_a_tool_count():
    tools = client_tools([FLAT, NESTED], None)
    assert [(one.name, one.description) for one in tools.specs] == [("a", "d"), ("b", "")]
    assert tools.specs[1].parameters == {"type": "object", "properties": {}}
    assert client_tools([FLAT], "auto").instruction == ""


@pytest.mark.parametrize(
    "choice",
    [{"type": "function", "name": "b"}, {"type": "function", "function": {"name": "b"}}],
)
def test_a_choice_narrows_what_is_offered(choice):
    tools = client_tools([FLAT, NESTED], choice)
    assert [one.name for one in tools.specs] == ["b"]
    assert "b" in tools.instruction
    assert tools.forced == ForcedCall("b")


def test_none_offers_nothing_and_required_says_so():
    assert client_tools([FLAT], "none").specs == ()
    required = client_tools([FLAT, NESTED], "required")
    assert "a, b" in required.instruction
    assert required.forced == ForcedCall()
    assert client_tools([FLAT], "auto").forced is None


@pytest.mark.parametrize(
    ("tools", "choice", "why"),
    [
        ([{"type": "web_search"}], None, "only tools of type function"),
        ([{"type": "function"}], None, "a name of letters"),
        ([{"type": "function", "name": "a b"}], None, "a name of letters"),
        ([{"type": "function", "function": 5}], None, "a name of letters"),
        ([{"type": "function", "name": "a", "parameters": 5}], None, "JSON Schema"),
        ([FLAT, FLAT], None, "the same name"),
        ([FLAT] * 129, None, "at most 128"),
        ([FLAT], {"type": "function", "name": "z"}, "'z' is not among"),
        ([FLAT], {"type": "function", "function": 5}, "use auto"),
        ([FLAT], "sometimes", "use auto"),
        ([FLAT], {"type": "web_search"}, "use auto"),
        ([], "required", "needs tools"),
    ],
)
def test_tools_that_make_no_sense_are_refused(tools, choice, why):
    with pytest.raises(Refused, match=why):
        client_tools(tools, choice)


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
    assert choose_agent(model, headers, AGENTS) == agent


@pytest.mark.parametrize("name", ["nobody", "../main", "a" * 200])
def test_an_unknown_agent_is_refused_with_the_known_ones(name):
    with pytest.raises(Refused, match="use one of main, work"):
        choose_agent(f"carapace:{name}", {}, AGENTS)


def test_sessions_are_fresh_or_named_by_the_user():
    assert own_key(MAIN, None, "openai") != own_key(MAIN, None, "openai")
    assert own_key(MAIN, " ", "openai").startswith("agent:main:openai:")
    assert own_key(MAIN, " Alice/../ ", "openai") == "agent:main:openai-user:alice-.."


def session(header: str, agent: str = "main"):
    return session_for(
        {"x-openclaw-session-key": header},
        AgentId(agent),
        None,
        kind="openai",
        to_key=canonical,
        agent_ids=AGENTS,
    )


def test_a_named_session_is_the_agents_unless_it_names_another():
    assert session("main", "work") == ("work", "agent:work:main")
    assert session("Agent:Work:x") == ("work", "agent:work:x")
    assert session("")[1].startswith("agent:main:openai:")


@pytest.mark.parametrize(("header", "why"), [("agent:nobody:x", "no agent"), ("agent:x", "key")])
def test_a_session_of_nobody_is_refused(header, why):
    with pytest.raises(Refused, match=why):
        session(header)


def test_blank_headers_do_not_count():
    assert branded({"x-clawdbot-agent-id": " "}, "agent-id") is None


def test_calls_are_found_by_id():
    assert calls_by_id([user("x"), said("y", CALL)]) == {"c1": "f"}
