"""Whatever a program sends: it is understood or refused in words, and never breaks anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from carapace.agent.providers.ports import ModelMessage, TextPart, ToolCall, ToolResult
from carapace.errors import Refused
from carapace.server import openai_wire, responses_wire
from carapace.server.control_ui_page import PageFacts, page
from carapace.server.openai_conversation import client_tools, cut
from carapace.server.static_folder import StaticFolder
from support.openai_requests import ScriptedFiles

pytestmark = pytest.mark.slow

_NAMES = st.sampled_from(
    [
        "arguments", "call_id", "content", "file_data", "function", "id", "image_url", "input",
        "messages", "model", "name", "output", "parameters", "role", "source", "stream", "text",
        "tool_call_id", "tool_calls", "tool_choice", "tools", "type", "url",
    ]
)  # fmt: skip
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_WORDS = st.sampled_from(
    [
        "user", "assistant", "system", "tool", "message", "function", "function_call",
        "function_call_output", "input_text", "input_image", "input_file", "image_url", "x", "",
    ]
)  # fmt: skip
_ITEM = st.dictionaries(_NAMES, _WORDS | _JSON, max_size=6)


@given(st.lists(_ITEM, max_size=4), st.dictionaries(_NAMES, _JSON, max_size=3))
async def test_a_chat_request_is_read_or_refused(messages: list[Any], more: dict[str, Any]):
    try:
        asked = openai_wire.decode_request(msgspec.json.encode({**more, "messages": messages}))
        said, _ = await openai_wire.conversation(asked.messages, ScriptedFiles())
        cut(said, field="messages")
        client_tools(asked.tools or (), asked.tool_choice)
    except Refused:
        event("refused")


@given(st.lists(_ITEM, max_size=4) | _JSON, st.dictionaries(_NAMES, _JSON, max_size=3))
async def test_a_response_request_is_read_or_refused(items: Any, more: dict[str, Any]):
    body = msgspec.json.encode({"model": "m", **more, "input": items})
    try:
        asked = responses_wire.decode_request(body)
        said, _ = await responses_wire.conversation(asked.input, ScriptedFiles())
        cut(said, field="input")
        client_tools(asked.tools, asked.tool_choice)
    except Refused:
        event("refused")


_PART = st.builds(TextPart, st.text(max_size=4)) | st.builds(
    ToolResult, st.text(max_size=2), st.just("f"), st.text(max_size=4)
)
_SAID = st.lists(
    st.builds(ModelMessage, st.just("user"), st.lists(_PART, max_size=2).map(tuple))
    | st.just(ModelMessage("assistant", (TextPart("a"),)))
    | st.just(ModelMessage("assistant", (ToolCall("c", "f", "{}"),))),
    max_size=6,
)


def _texts(said: Sequence[ModelMessage]) -> list[str]:
    return [part.text for one in said for part in one.parts if isinstance(part, TextPart)]


@given(_SAID)
def test_a_cut_loses_nothing_but_a_draft_and_what_is_empty(said: list[ModelMessage]):
    try:
        asked = cut(said, field="messages")
    except Refused:
        return
    kept = list(said)
    while kept and kept[-1].role == "assistant":
        kept.pop()
    texts, before = _texts(kept), _texts(asked.earlier)
    assert "\n\n".join(texts[len(before) :]) == asked.message
    assert texts[: len(before)] == before


@given(st.text(max_size=40), st.text(max_size=40))
@example("</script>", "</head>")
def test_no_name_leaves_its_script(name: str, avatar: str):
    shown = page("<head></head>", PageFacts("", name, avatar), "n")
    script = shown.removeprefix('<head><script nonce="n">').removesuffix("</script></head>")
    assert "<" not in script
    assert "\u2028" not in script


@given(st.text(alphabet="./\\%ab\0:-", max_size=30))
def test_no_path_leads_out_of_a_folder(tmp_path_factory: Any, path: str):
    root = tmp_path_factory.getbasetemp() / "static"
    (root / "in").mkdir(parents=True, exist_ok=True)
    (root / "a").write_text("outside")
    (root / "in" / "b").write_text("inside")
    found = StaticFolder(root / "in").read(path)
    assert found is None or found.data == b"inside"
