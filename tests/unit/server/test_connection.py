"""The rules of one connection, as lists of byte strings."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.frames import Request
from carapace.server.connection import Close, Connection, Handshake, Reply, State

CONNECT = b'{"type":"req","id":"c","method":"connect"}'


def call(request_id: str, method: str = "health") -> bytes:
    return msgspec.json.encode({"type": "req", "id": request_id, "method": method})


def ready(max_in_flight: int = 2) -> Connection:
    connection = Connection(max_in_flight)
    assert isinstance(connection.receive(CONNECT), Handshake)
    connection.admit()
    return connection


def error_of(step: object) -> dict[str, object]:
    assert isinstance(step, Reply)
    return msgspec.json.decode(step.frame)["error"]


@pytest.mark.parametrize(
    ("message", "code", "reason", "cause"),
    [
        (b"not json", 1000, "", "not-json"),
        (b"null", 1008, "invalid request frame", "bad-frame"),
        (b'{"type":"event","event":"x"}', 1008, "invalid request frame", "bad-frame"),
        (b'{"type":"req","method":"connect"}', 1008, "invalid request frame", "bad-frame"),
    ],
)
def test_nonsense_before_connect_closes_without_an_answer(message, code, reason, cause):
    assert Connection(1).receive(message) == Close(code, reason, cause)


def test_another_method_before_connect_is_answered_and_closed():
    step = Connection(1).receive(call("x1"))
    assert isinstance(step, Close)
    assert (step.code, step.reason) == (
        1008,
        "invalid handshake: first request must be connect",
    )
    assert msgspec.json.decode(step.reply or b"") == {
        "type": "res",
        "id": "x1",
        "ok": False,
        "error": {"code": "INVALID_REQUEST", "message": step.reason},
    }


def test_nothing_may_be_read_while_connect_is_judged():
    connection = Connection(1)
    connection.receive(CONNECT)
    assert connection.state is State.ADMITTING
    with pytest.raises(RuntimeError):
        connection.receive(call("1"))


def test_a_second_connect_is_refused_and_survived():
    connection = ready()
    assert error_of(connection.receive(CONNECT)) == {
        "code": "INVALID_REQUEST",
        "message": "connect is only valid as the first request",
    }
    assert isinstance(connection.receive(call("1")), Request)


def test_after_connect_bad_frames_are_answered_and_what_is_not_json_is_ignored():
    connection = ready()
    assert error_of(connection.receive(b"[]"))["code"] == "INVALID_REQUEST"
    assert connection.receive(b"not json") is None
    assert connection.state is State.READY


def test_an_id_that_waits_for_its_answer_cannot_be_used_again():
    connection = ready()
    connection.begin("1")
    assert "fresh id" in str(error_of(connection.receive(call("1")))["message"])
    assert isinstance(connection.receive(call("2")), Request)
    assert connection.finish("1")
    assert isinstance(connection.receive(call("1")), Request)


def test_the_request_beyond_the_cap_is_refused_as_retryable():
    connection = ready(max_in_flight=2)
    connection.begin("1")
    connection.begin("2")
    assert connection.in_flight == 2
    error = error_of(connection.receive(call("3")))
    assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
    assert isinstance(error["retryAfterMs"], int)


def test_after_close_nothing_is_decided_or_answered():
    connection = ready()
    connection.begin("1")
    connection.close()
    assert connection.receive(call("2")) is None
    assert not connection.finish("1")
    assert connection.in_flight == 0
    connection.admit()
    assert connection.state is State.CLOSED
