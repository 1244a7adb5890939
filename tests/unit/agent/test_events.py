"""Event payloads are those of the recorded runs."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.agent.events import (
    agent_event,
    chat_aborted,
    chat_delta,
    chat_error,
    chat_final,
    cut_events,
)
from carapace.agent.types import CutRun
from carapace.ids import RunId, SessionKey
from carapace.protocol.events import Event


def payload(event: Event) -> Any:
    return msgspec.json.decode(msgspec.json.encode(event.payload))


def test_a_lifecycle_event_has_the_recorded_fields():
    event = agent_event("r", "main", "lifecycle", data={"phase": "start"}, seq=1, ts_ms=9)
    assert event.name == "agent"
    assert payload(event) == {
        "runId": "r",
        "stream": "lifecycle",
        "data": {"phase": "start"},
        "sessionKey": "main",
        "seq": 1,
        "ts": 9,
    }


def test_a_delta_may_be_dropped_and_a_final_may_not():
    delta = chat_delta("r", "main", seq=2, text="Echo:", ts_ms=9)
    assert delta.drop_if_slow is True
    assert payload(delta) == {
        "runId": "r",
        "sessionKey": "main",
        "seq": 2,
        "state": "delta",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "Echo:"}],
            "timestamp": 9,
        },
    }
    final = chat_final("r", "main", seq=3, text="Echo: hi", ts_ms=10)
    assert final.drop_if_slow is None
    assert payload(final)["message"]["content"] == [{"type": "text", "text": "Echo: hi"}]


def test_a_final_without_text_has_no_message():
    assert "message" not in payload(chat_final("r", "main", seq=2, text="", ts_ms=1))


def test_an_injected_final_says_so_and_counts_no_tokens():
    message = payload(chat_final("r", "main", seq=1, text="x", ts_ms=1, injected=True))["message"]
    assert message["stopReason"] == "injected"
    assert message["usage"] == {"input": 0, "output": 0, "totalTokens": 0}


def test_an_abort_and_an_error_say_why():
    assert payload(chat_aborted("r", "main", seq=3, reason="rpc")) == {
        "runId": "r",
        "sessionKey": "main",
        "seq": 3,
        "state": "aborted",
        "stopReason": "rpc",
    }
    assert payload(chat_error("r", "main", seq=3, error="why"))["errorMessage"] == "why"


def test_a_cut_run_is_reported_to_both_kinds_of_watcher():
    cut = CutRun(RunId("r"), SessionKey("agent:main:main"), "main", "restarted")
    agent, chat = cut_events(cut, ts_ms=4)
    assert payload(agent)["data"] == {"phase": "error", "error": "restarted", "endedAt": 4}
    assert (payload(chat)["state"], payload(chat)["sessionKey"]) == ("error", "main")
