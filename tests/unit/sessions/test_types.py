"""What the room hands out."""

from __future__ import annotations

import json

from carapace.protocol.sessions import MessageCost, MessageUsage
from carapace.sessions.types import StoredMessage, UsageTotals

FULL = StoredMessage(
    message_id="m1",
    role="assistant",
    content=(
        {"type": "text", "text": "one"},
        {"type": "toolCall", "id": "c", "name": "exec", "arguments": {"a": 1}},
        {"type": "text", "text": "two"},
    ),
    timestamp_ms=1795370459862,
    api="openai-completions",
    provider="fake",
    model="fake-1",
    usage=MessageUsage(
        input=8035, output=8, cache_read=0, cache_write=0, total_tokens=8043, cost=MessageCost()
    ),
    stop_reason="toolUse",
)


def test_a_message_is_stored_in_the_shape_clients_read():
    """The shape is that of `chat.history` in the recorded traces."""
    assert json.loads(FULL.encode()) == {
        "role": "assistant",
        "content": list(FULL.content),
        "api": "openai-completions",
        "provider": "fake",
        "model": "fake-1",
        "usage": {
            "input": 8035,
            "output": 8,
            "cacheRead": 0,
            "cacheWrite": 0,
            "totalTokens": 8043,
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "total": 0},
        },
        "stopReason": "toolUse",
        "timestamp": 1795370459862,
    }


def test_a_tool_result_keeps_its_call():
    message = StoredMessage(
        "m2",
        "toolResult",
        ({"type": "text", "text": "chat-tool"},),
        1,
        tool_call_id="call_9",
        tool_name="exec",
        details={"exitCode": 0},
        is_error=False,
    )
    assert json.loads(message.encode()) == {
        "role": "toolResult",
        "toolCallId": "call_9",
        "toolName": "exec",
        "content": [{"type": "text", "text": "chat-tool"}],
        "details": {"exitCode": 0},
        "isError": False,
        "timestamp": 1,
    }
    assert StoredMessage.decode("m2", message.encode()) == message


def test_encoding_is_reversible():
    assert StoredMessage.decode("m1", FULL.encode().decode()) == FULL


def test_text_is_the_text_parts_only():
    assert FULL.text == "one\ntwo"
    odd = StoredMessage("m", "user", ({"type": "text", "text": 5}, {"type": "image"}), 0)
    assert odd.text == ""


def test_totals_add_up():
    assert UsageTotals(1, 2, 3, 4, 99).total == 10
