"""Events go through one door, checked."""

from __future__ import annotations

import pytest

from carapace.errors import Failed, Refused
from carapace.plugins.capabilities.inbound import InboundCapability
from support.capabilities import EVENT, RecordingInbox, code_of


def attachment(**of: str | None) -> dict:
    return {"url": None, "handle": None, "content_type": None, "filename": None, **of}


async def test_an_event_is_delivered_once():
    inbox = RecordingInbox()
    deliver = InboundCapability("demo", inbox).call
    files = [attachment(url="https://a.example/x"), attachment(handle="m-1")]
    assert await deliver("deliver", [{**EVENT, "attachments": files}]) == "accepted"
    assert await deliver("deliver", [EVENT]) == "duplicate"
    assert [event.text for event in inbox.events.values()] == ["hello"]


@pytest.mark.parametrize(
    "change",
    [
        {"attachments": [attachment()]},
        {"attachments": [attachment(url="https://a.example/", handle="m-1")]},
        {"attachments": [attachment(url="file:///etc/passwd")]},
        {"quote_text": "of what?"},
        {"quote_sender_id": "of what?"},
    ],
)
async def test_what_contradicts_itself_is_refused(change):
    inbox = RecordingInbox()
    call = InboundCapability("demo", inbox).call("deliver", [{**EVENT, **change}])
    assert await code_of(call) == "invalid-argument"
    assert not inbox.events


@pytest.mark.parametrize(
    ("trouble", "code"),
    [(Refused("full", retryable=True), "refused"), (Failed("disk"), "unavailable")],
)
async def test_what_was_not_written_down_is_an_error(trouble, code):
    inbox = RecordingInbox()
    inbox.trouble = trouble
    assert await code_of(InboundCapability("demo", inbox).call("deliver", [EVENT])) == code
