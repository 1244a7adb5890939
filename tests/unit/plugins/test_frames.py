from __future__ import annotations

import json
import struct

import pytest

from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.frames import (
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    Answer,
    Call,
    Fault,
    FrameError,
    FrameReader,
    FromWorker,
    HostCall,
    Load,
    Output,
    Result,
    Stop,
    ToWorker,
    Trap,
    WorkerLimits,
    decode_from_worker,
    decode_to_worker,
    frame,
)

TO_WORKER: list[ToWorker] = [
    Load(1, ("kv",), ("tool",), WorkerLimits(memory_bytes=1)),
    Call(2, "tool", "invoke", ["echo", "{}"], 500, "service"),
    Answer(3, ok={"a": [1, None, "x"]}),
    Answer(4, err=Fault("BUSY", "later", retryable=True, retry_after_ms=10)),
    Stop(),
]
FROM_WORKER: list[FromWorker] = [
    Result(1, ok=[1.5, True]),
    Result(2, err=Fault("NO", "no")),
    Result(3, trap=Trap("deadline", "too slow")),
    HostCall(1, 2, "kv", "get", ["key"]),
    Output(2, "hello\n"),
]


def body(framed: bytes) -> bytes:
    (size,) = struct.unpack_from(">I", framed)
    assert size == len(framed) - HEADER_BYTES
    return framed[HEADER_BYTES:]


@pytest.mark.parametrize("message", TO_WORKER)
def test_what_the_gateway_says_arrives_as_it_was(message: ToWorker) -> None:
    assert decode_to_worker(body(frame(message))) == message


@pytest.mark.parametrize("message", FROM_WORKER)
def test_what_the_worker_says_arrives_as_it_was(message: FromWorker) -> None:
    assert decode_from_worker(body(frame(message))) == message


def test_a_frame_is_json_with_its_operation_by_name() -> None:
    said = json.loads(body(frame(Call(7, "tool", "invoke", [], 100))))

    assert said == {
        "op": "call",
        "id": 7,
        "interface": "tool",
        "function": "invoke",
        "arguments": [],
        "deadline_ms": 100,
        "instance": "fresh",
    }


def test_nonsense_is_a_frame_error_on_both_sides() -> None:
    for wrong in (b"", b"{}", b'{"op":"dance"}', b"\xff", b'{"op":"result","id":"x"}'):
        with pytest.raises(FrameError):
            decode_from_worker(wrong)
        with pytest.raises(FrameError):
            decode_to_worker(wrong)


def test_deep_nesting_from_a_worker_is_a_frame_error() -> None:
    deep = b'{"op":"result","id":1,"ok":' + b"[" * 50_000 + b"]" * 50_000 + b"}"

    with pytest.raises(FrameError):
        decode_from_worker(deep)


def test_a_frame_that_is_too_long_is_never_sent() -> None:
    with pytest.raises(FrameError, match="longer than"):
        frame(Output(1, "x" * MAX_FRAME_BYTES))


def test_the_reader_gives_bodies_however_the_bytes_arrive() -> None:
    stream = frame(Output(1, "a")) + frame(Output(2, "b" * 300)) + frame(Output(3, ""))
    for step in (1, 3, 7, len(stream)):
        reader = FrameReader()
        got = [
            decode_from_worker(one)
            for at in range(0, len(stream), step)
            for one in reader.feed(stream[at : at + step])
        ]
        assert got == [Output(1, "a"), Output(2, "b" * 300), Output(3, "")]


def test_the_reader_refuses_a_length_before_it_holds_the_bytes() -> None:
    with pytest.raises(FrameError, match="longer than 10"):
        list(FrameReader(10).feed(struct.pack(">I", 11)))


def test_errors_and_traps_survive_the_way() -> None:
    error = GuestError("BUSY", "later", retryable=True, retry_after_ms=5)
    trap = GuestTrap("memory", "no more")

    again = Fault.of(error).as_error()
    stopped = Trap.of(trap).as_error()

    assert (again.code, again.message, again.retryable, again.retry_after_ms) == (
        "BUSY",
        "later",
        True,
        5,
    )
    assert (stopped.kind, stopped.text) == ("memory", "no more")
