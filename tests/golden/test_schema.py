"""What the Node gateway was recorded to answer fits our schema, and so do its events.

The validator is not ours. Where an answer is not meant to have the same shape, the reason is
written beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from carapace.app.parts import METHODS
from carapace.protocol.events import ADVERTISED
from carapace.protocol.schema import protocol_schema

TRACES = Path(__file__).parent / "node-2026.1"
SCHEMA = protocol_schema(METHODS)

DIFFERENT = {"config.schema: ok #0": "the hints of its own settings, some without a label"}


def traces() -> Iterator[Any]:
    for path in sorted(TRACES.glob("*.json")):
        yield json.loads(path.read_text("utf-8"))


def validator(part: dict[str, Any]) -> Any:
    return jsonschema_rs.validator_for({**part, "$defs": SCHEMA["$defs"]})


def answers() -> Iterator[tuple[str, str, Any]]:
    for trace in traces():
        for case in trace["cases"]:
            request = case.get("request")
            method = str(request.get("method")) if isinstance(request, dict) else ""
            for n, response in enumerate(case.get("responses", ())):
                if method in SCHEMA["methods"] and response.get("ok"):
                    name = f"{trace['name']}: {case['case']} #{n}"
                    yield name, method, response["payload"]


def events() -> Iterator[tuple[str, str, Any]]:
    for trace in traces():
        for case in trace["cases"]:
            for n, item in enumerate(case.get("events", ())):
                frame = item.get("frame", item)
                if SCHEMA["events"].get(frame["event"], {}).get("sent"):
                    name = f"{trace['name']}: {case['case']} #{n}"
                    yield name, frame["event"], frame["payload"]


ANSWERS = list(answers())
EVENTS = list(events())


@pytest.mark.parametrize(
    ("name", "method", "payload"), ANSWERS, ids=[name for name, _, _ in ANSWERS]
)
def test_a_recorded_answer_fits_the_schema_of_its_result(name: str, method: str, payload: Any):
    found = [
        str(error) for error in validator(SCHEMA["methods"][method]["result"]).iter_errors(payload)
    ]
    assert (found == []) is (name not in DIFFERENT), found[:3]


@pytest.mark.parametrize("event", sorted({event for _, event, _ in EVENTS}))
def test_recorded_events_fit_the_schema_of_their_payload(event: str):
    checked = validator(SCHEMA["events"][event]["payload"])
    payloads = [payload for _, name, payload in EVENTS if name == event]
    assert payloads
    for payload in payloads:
        assert [str(error) for error in checked.iter_errors(payload)] == []


# The Node gateway has no such methods.
OUR_NAMESPACES = ("outbox.", "inbox.", "channels.pairing.", "plugins.")
OURS = {name for name in METHODS if name.startswith(OUR_NAMESPACES)}
# It was recorded without a channel that could send anything, or that somebody signed in to;
# nothing was installed, and no service spoke.
REFUSED_THERE = {"poll", "send", "web.login.start"} | {
    "skills.install",
    "tts.convert",
    "update.run",
    # No node that runs commands was connected, and this release had no browser control.
    "browser.request",
    "exec.approvals.node.get",
    "exec.approvals.node.set",
}


def test_every_recorded_method_and_event_is_advertised():
    (case,) = json.loads((TRACES / "hello-ok.json").read_text("utf-8"))["cases"]
    features = case["responses"][0]["features"]
    assert set(features["methods"]) <= {name for name, row in METHODS.items() if row.advertised}
    assert set(features["events"]) == set(ADVERTISED)


def test_every_event_says_what_it_carries():
    assert all(event["sent"] for event in SCHEMA["events"].values())


def test_the_recordings_cover_every_method_of_the_node_gateway():
    covered = {method for _, method, _ in ANSWERS}
    assert covered == (set(METHODS) | {"connect"}) - OURS - REFUSED_THERE
