"""Frames are read without raising and refused in the words clients know."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.errors import ErrorShape
from carapace.protocol.frames import (
    NOT_JSON,
    BadFrame,
    Request,
    decode_frame,
    encode_error,
    encode_event,
    encode_ok,
    event_parts,
)

BAD = [
    ('{"type":"req","method":"health"}', "invalid", "must have required property 'id'"),
    (
        '{"type":"event","event":"x"}',
        "invalid",
        (
            "must have required property 'id'; must have required property 'method'; "
            "at root: unexpected property 'event'; at /type: must be equal to constant"
        ),
    ),
    (
        '{"type":"req","id":"e1","method":"health","extra":1}',
        "e1",
        "at root: unexpected property 'extra'",
    ),
    (
        '{"type":"req","id":"e2","method":""}',
        "e2",
        "at /method: must NOT have fewer than 1 characters",
    ),
    ("[1,2]", "invalid", "must be object"),
    ("null", "invalid", "must be object"),
    ('{"type":"req","id":5,"method":"health"}', 5, "at /id: must be string"),
    (
        '{"type":"req","id":"","method":"health"}',
        "invalid",
        "at /id: must NOT have fewer than 1 characters",
    ),
]


@pytest.mark.parametrize(("text", "answer_id", "message"), BAD)
def test_a_malformed_frame_is_named_as_the_node_gateway_names_it(text, answer_id, message):
    assert decode_frame(text) == BadFrame(answer_id, f"invalid request frame: {message}")


@pytest.mark.parametrize("text", ["not json", "", b"\xff\xfe", '{"a":', "[" * 100_000])
def test_what_is_not_json_is_recognised(text):
    assert decode_frame(text) is NOT_JSON


def test_text_that_is_no_utf8_inside_json_is_not_json():
    assert decode_frame(b'{"type":"req","id":"\xff","method":"m"}') is NOT_JSON


def test_text_and_bytes_read_alike():
    text = '{"type":"req","id":"1","method":"m","params":{"a":1}}'
    for frame in (decode_frame(text), decode_frame(text.encode())):
        assert isinstance(frame, Request)
        assert (frame.id, frame.method, bytes(frame.params)) == ("1", "m", b'{"a":1}')


def test_missing_params_are_an_empty_object():
    frame = decode_frame(b'{"type":"req","id":"1","method":"m"}')
    assert isinstance(frame, Request)
    assert bytes(frame.params) == b"{}"


def test_an_answer_splices_encoded_payloads():
    frame = encode_ok("1", msgspec.Raw(b'{"x":1}'))
    assert frame == b'{"type":"res","id":"1","ok":true,"payload":{"x":1}}'


def test_an_error_may_carry_a_payload():
    shape = ErrorShape(code="UNAVAILABLE", message="no")
    plain = msgspec.json.decode(encode_error("1", shape))
    assert plain == {
        "type": "res",
        "id": "1",
        "ok": False,
        "error": {"code": "UNAVAILABLE", "message": "no"},
    }
    assert msgspec.json.decode(encode_error(5, shape, {"status": "error"})) == {
        **plain,
        "id": 5,
        "payload": {"status": "error"},
    }


def test_an_event_is_closed_with_or_without_a_number():
    parts = event_parts("tick", {"ts": 1}, {"presence": 1})
    assert msgspec.json.decode(encode_event(parts, 7)) == {
        "type": "event",
        "event": "tick",
        "payload": {"ts": 1},
        "stateVersion": {"presence": 1},
        "seq": 7,
    }
    assert encode_event(event_parts("tick", None), None) == b'{"type":"event","event":"tick"}'
