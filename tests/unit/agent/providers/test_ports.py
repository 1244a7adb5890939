from __future__ import annotations

import msgspec

from carapace.agent.providers.ports import (
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    ToolResult,
)


def test_tokens_are_four_characters_each_and_pictures_a_flat_thousand():
    message = ModelMessage("user", (TextPart("x" * 40), ImagePart("image/png", "y" * 9_000)))
    assert (message.tokens, message.has_images) == (4 + 10 + 1_000, True)
    called = ModelMessage("assistant", (ToolCall("c1", "name", "{}" * 10),))
    assert (called.tokens, called.has_images) == (4 + 6, False)
    assert ModelMessage("tool", (ToolResult("c1", "t", "z" * 8),)).tokens == 4 + 2


def test_what_was_worked_out_is_no_part_of_the_message():
    message = ModelMessage("user", (TextPart("hello"),))
    plain = msgspec.json.encode(message)
    assert message.tokens == message.tokens == 5
    assert msgspec.json.encode(message) == plain
    assert message == ModelMessage("user", (TextPart("hello"),))
