"""Wire types of the chat methods."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.chat import (
    ChatAbort,
    ChatEvent,
    ChatInject,
    ChatMessage,
    ChatSend,
    ChatText,
    ChatUsage,
)


def test_a_message_may_be_blank_but_not_missing():
    given = {"sessionKey": "main", "message": "", "idempotencyKey": "k"}
    assert msgspec.convert(given, ChatSend).message == ""
    with pytest.raises(msgspec.ValidationError, match="message"):
        msgspec.convert({"sessionKey": "main", "idempotencyKey": "k"}, ChatSend)


@pytest.mark.parametrize(
    ("struct", "bad"),
    [
        (ChatSend, {"sessionKey": "", "message": "m", "idempotencyKey": "k"}),
        (ChatSend, {"sessionKey": "s", "message": "m", "idempotencyKey": "k", "timeoutMs": -1}),
        (ChatAbort, {}),
        (ChatAbort, {"sessionKey": "s", "runId": ""}),
        (ChatInject, {"sessionKey": "s", "message": ""}),
        (ChatInject, {"sessionKey": "s", "message": "m", "label": "l" * 101}),
    ],
)
def test_params_refuse_what_does_not_fit(struct: type[msgspec.Struct], bad: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, struct)


def test_an_injected_final_has_the_recorded_shape():
    event = ChatEvent(
        run_id="inject-1",
        session_key="main",
        seq=0,
        state="final",
        message=ChatMessage(
            role="assistant",
            content=(ChatText(text="note"),),
            timestamp=9,
            stop_reason="injected",
            usage=ChatUsage(input=0, output=0, total_tokens=0),
        ),
    )
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "runId": "inject-1",
        "sessionKey": "main",
        "seq": 0,
        "state": "final",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "note"}],
            "timestamp": 9,
            "stopReason": "injected",
            "usage": {"input": 0, "output": 0, "totalTokens": 0},
        },
    }


def test_an_abort_carries_a_reason_and_no_message():
    event = ChatEvent(run_id="r", session_key="main", seq=3, state="aborted", stop_reason="rpc")
    assert "message" not in msgspec.to_builtins(event)
