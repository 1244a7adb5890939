from __future__ import annotations

from carapace.agent.providers.local_messages import chat_messages, question
from carapace.agent.providers.local_wire import ChatMessage
from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    ModelRequest,
    TextPart,
    ToolCall,
    ToolResult,
)

USER = ModelMessage("user", (TextPart("look"), ImagePart("image/png", "AAAA")))
CALL = ModelMessage("assistant", (ToolCall("1", "current_time", "{}"),))
RESULT = ModelMessage("tool", (ToolResult("1", "current_time", "noon"),))


def request(*messages, system="be brief"):
    return ModelRequest("starter", system, messages)


def test_pictures_become_words_calls_vanish_and_results_are_told_by_the_user():
    assert chat_messages(request(USER, CALL, RESULT)) == (
        ChatMessage("system", "be brief"),
        ChatMessage("user", "look\n[a picture, which this model cannot see]"),
        ChatMessage("user", "(From current_time: noon)\nAnswer my message with this."),
    )


def test_failed_tools_are_told_as_such():
    failed = ModelMessage("tool", (ToolResult("1", "t", "no", is_error=True),))
    assert "(t failed: no)" in chat_messages(request(failed, system=""))[0].content


def test_what_was_said_keeps_its_role():
    said = ModelMessage("assistant", (TextPart("hi"),))
    assert chat_messages(request(said, system="")) == (ChatMessage("assistant", "hi"),)


def test_only_a_user_asks():
    assert question(request(USER)) == "look\n[a picture, which this model cannot see]"
    assert question(request(USER, CALL, RESULT)) is None
    assert question(request()) is None
    assert question(request(ModelMessage("user", ()))) is None
