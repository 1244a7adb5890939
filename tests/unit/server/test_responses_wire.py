"""The strict body of a response request, and what its items say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.providers.ports import ImagePart, TextPart, ToolCall, ToolResult
from carapace.errors import Refused
from carapace.server.openai_files import FileSource
from carapace.server.responses_wire import conversation, decode_request
from support.openai_requests import ScriptedFiles


def decode(**body: Any):
    return decode_request(msgspec.json.encode(body))


def test_fields_of_the_reference_are_taken_whether_they_mean_something_or_not():
    asked = decode(
        model="m",
        input="x",
        instructions="i",
        stream=True,
        user="u",
        previous_response_id="r",
        tools=[{"type": "function"}],
        tool_choice="auto",
        temperature=1,
        metadata={},
        text={"format": {"type": "text"}},
    )
    assert (asked.model, asked.input, asked.instructions, asked.stream) == ("m", "x", "i", True)
    assert (asked.user, asked.previous_response_id, asked.tool_choice) == ("u", "r", "auto")
    assert asked.tools == ({"type": "function"},)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": "m"}, "input: Invalid input"),
        ({"model": "m", "input": 5}, "input: Invalid input"),
        ({"model": "m", "input": [5]}, "input: Invalid input"),
        ({"input": "x"}, "model: Invalid input: expected string, received undefined"),
        ({"model": 5, "input": "x"}, "model: expected string"),
        ({"model": "m", "input": "x", "surprise": 1}, ': Unrecognized key: "surprise"'),
        ({"model": "m", "input": "x", "a": 1, "b": 1}, ': Unrecognized keys: "a", "b"'),
        ({"model": "m", "input": "x", "user": 5}, "user: Invalid input: expected string"),
        ({"model": "m", "input": "x", "stream": 5}, "stream: Invalid input: expected boolean"),
        ({"model": "m", "input": "x", "tools": 5}, "tools: Invalid input"),
        ({"model": "m", "input": "x", "tools": [5]}, "tools: Invalid input"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_recorded_words(body, text):
    with pytest.raises(Refused) as refused:
        decode(**body)
    assert refused.value.message.startswith(text)


@pytest.mark.parametrize("body", [b"{bad", b"\xff", b"[]"])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(Refused):
        decode_request(body)


async def test_a_text_is_what_the_user_says():
    said, system = await conversation("hi", ScriptedFiles())
    assert (said[0].role, said[0].parts, system) == ("user", (TextPart("hi"),), "")


async def test_items_are_messages_calls_and_results():
    items = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "r1"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"text": "r"}, {"text": "2"}]},
    ]
    said, system = await conversation(items, ScriptedFiles())
    assert system == "Be brief."
    assert [message.parts for message in said] == [
        (TextPart("one"),),
        (TextPart("a"), ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")),
        (ToolResult("c1", "f", "r1"),),
        (ToolResult("c2", "g", "r\n2"),),
    ]


async def test_a_call_may_stand_alone():
    items = [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]
    said, _ = await conversation(items, ScriptedFiles())
    assert said[0].parts == (ToolCall("c", "f", "{}"),)


def user(*parts: dict[str, Any] | int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


async def test_files_are_brought_in_both_spellings():
    files = ScriptedFiles()
    source = {"type": "base64", "data": "aGk=", "filename": "b.txt"}
    said, _ = await conversation(
        user(
            {"type": "input_image", "image_url": "https://a/"},
            {"type": "input_image", "source": {"type": "url", "url": "https://b/"}},
            {"type": "input_file", "file_data": "aGk=", "filename": "a.txt"},
            {"type": "input_file", "source": source},
            {"type": "input_file", "file_url": "https://c/", "filename": 5},
            {"type": "refusal", "refusal": "no"},
        ),
        files,
    )
    assert files.asked == [
        FileSource(url="https://a/"),
        FileSource(url="https://b/"),
        FileSource(data="aGk=", filename="a.txt"),
        FileSource(data="aGk=", filename="b.txt"),
        FileSource(url="https://c/"),
    ]
    assert said[0].parts[0] == ImagePart("image/png", "https://a/")
    assert said[0].parts[2] == TextPart("<a.txt>")


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([{"type": "item_reference", "id": "x"}], "input.0: items of type 'item_reference'"),
        ([{}], "input.0: items of type 'None'"),
        ([{"role": "narrator", "content": "x"}], "input.0.role"),
        ([{"role": "user", "content": 5}], "input.0.content: Invalid input"),
        (user({"type": "input_audio"}), "input.0.content.0: use input_text"),
        (user(5), "input.0.content.0: use input_text"),
        (user({"type": "input_file", "file_id": "f"}), "cannot be uploaded"),
        (user({"type": "input_image"}), "say where the file is"),
        ([{"type": "function_call", "call_id": "c"}], "input.0.name"),
        ([{"type": "function_call_output", "call_id": 5}], "input.0.call_id: expected"),
        ([{"type": "function_call_output", "call_id": "c"}], "input.0.output"),
    ],
)
async def test_items_that_make_no_sense_are_refused(items, why):
    with pytest.raises(Refused) as refused:
        await conversation(items, ScriptedFiles())
    assert why in refused.value.message


async def test_an_empty_text_says_nothing():
    said, _ = await conversation([{"role": "user", "content": ""}], ScriptedFiles())
    assert said[0].parts == ()
