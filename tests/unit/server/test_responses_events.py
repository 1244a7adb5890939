"""An answer whole and as events: the same items, in the recorded order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.types import RunState
from carapace.protocol.agent import PendingToolCall
from carapace.server.responses_events import ResponseEvents, ResponseHead, response_body
from support.chat_runs import outcome

HEAD = ResponseHead("r1", "m", 7)
CALL = PendingToolCall("c1", "f", '{"a":1}')


def told(*pieces: bytes) -> list[dict[str, Any]]:
    rows = [row for row in b"".join(pieces).decode().split("\n\n") if row]
    found: list[dict[str, Any]] = []
    for row in rows:
        if row == "data: [DONE]":
            found.append({"type": "done"})
            continue
        name, _, data = row.partition("\n")
        event = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_opened_said_and_closed():
    events = ResponseEvents(HEAD)
    found = told(events.begin(), events.text("a"), events.text("b"), events.end(outcome("ab")))
    assert kinds(found) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
        "done",
    ]
    assert [event["sequence_number"] for event in found[:-1]] == list(range(10))
    assert found[6]["text"] == "ab"
    assert found[9]["response"]["output"][0] == found[8]["item"]
    assert found[0]["response"]["id"] == "resp_r1"


def test_words_that_were_not_streamed_are_added():
    events = ResponseEvents(HEAD)
    found = told(events.begin(), events.end(outcome("all")))
    assert [event["delta"] for event in found if "delta" in event] == ["all"]


def test_an_empty_answer_still_has_its_item():
    found = told(ResponseEvents(HEAD).end(outcome("")))
    assert kinds(found)[:2] == ["output_item.added", "content_part.added"]
    assert found[-2]["response"]["output"][0]["content"][0]["text"] == ""


def test_calls_are_items_of_their_own():
    ending = outcome("", calls=(CALL,), stop_reason="tool_calls")
    found = told(ResponseEvents(HEAD).end(ending))
    assert kinds(found) == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
        "done",
    ]
    assert found[0]["item"]["arguments"] == ""
    assert found[3]["item"]["arguments"] == '{"a":1}'
    assert found[4]["response"]["output"] == [found[3]["item"]]
    assert found[4]["response"]["status"] == "completed"


def test_a_call_after_words_is_the_second_item():
    events = ResponseEvents(HEAD)
    found = told(events.text("wait"), events.end(outcome("wait", calls=(CALL,))))
    added = [event for event in found if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1]


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        (None, "cut short"),
        (outcome(None), "no model"),
        (outcome("HTTP 400: no", state=RunState.ERROR), "HTTP 400: no"),
    ],
)
def test_a_failure_is_one(ending, message):
    found = told(ResponseEvents(HEAD).end(ending))
    assert kinds(found) == ["failed", "done"]
    assert found[0]["response"]["status"] == "failed"
    assert message in found[0]["response"]["error"]["message"]


@pytest.mark.parametrize(
    ("reason", "why"), [("length", "max_output_tokens"), ("filtered", "content_filter")]
)
def test_an_answer_that_was_cut_is_incomplete(reason, why):
    body = response_body(HEAD, outcome("x", stop_reason=reason))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": why})
    found = told(ResponseEvents(HEAD).end(outcome("x", stop_reason=reason)))
    assert kinds(found)[-2] == "incomplete"


def test_a_whole_answer_has_its_usage():
    body = response_body(
        ResponseHead("r1", "m", 7, "resp_r0"), outcome("x", input_tokens=3, output_tokens=2)
    )
    assert body["usage"] == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert body["previous_response_id"] == "resp_r0"
    assert (body["status"], body["incomplete_details"], body["error"]) == ("completed", None, None)
