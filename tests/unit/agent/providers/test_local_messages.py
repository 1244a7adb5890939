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
        ChatMessage(
            "user",
            "(current_time says: noon)\nTell me that, in a short answer.",
        ),
    )


def test_a_question_is_repeated_beside_what_a_tool_says():
    asked = ModelMessage("user", (TextPart("What time is it?"),))
    assert chat_messages(request(asked, CALL, RESULT))[-1].content == (
        "(current_time says: noon)\nWith this, answer: What time is it?"
    )


def test_results_of_earlier_questions_are_left_out():
    said = ModelMessage("assistant", (TextPart("It is noon."),))
    told = chat_messages(request(USER, CALL, RESULT, said, USER, system=""))
    assert [message.role for message in told] == ["user", "assistant", "user"]


def test_the_id_of_a_chat_message_is_no_part_of_the_question():
    asked = ModelMessage("user", (TextPart("Hello [x]\n[message_id: r-1]"),))
    assert question(request(asked)) == "Hello [x]"
    assert chat_messages(request(asked, system="")) == (ChatMessage("user", "Hello [x]"),)


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
