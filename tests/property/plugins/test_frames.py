"""Whatever comes over the socket is a message or a `FrameError`, however it is cut."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.plugins.frames import (
    Answer,
    Call,
    Fault,
    FrameError,
    FrameReader,
    FromWorker,
    HostCall,
    Output,
    Result,
    ToWorker,
    Trap,
    decode_from_worker,
    decode_to_worker,
    frame,
)

pytestmark = pytest.mark.slow

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
IDS = st.integers(0, 2**53)
FAULTS = st.builds(Fault, st.text(), st.text(), st.booleans(), st.none() | st.integers(0, 2**31))
TRAPS = st.builds(Trap, st.sampled_from(["deadline", "memory", "lost"]), st.text())
FROM_WORKER: st.SearchStrategy[FromWorker] = st.one_of(
    st.builds(Result, IDS, JSON, st.none() | FAULTS, st.none() | TRAPS),
    st.builds(HostCall, IDS, IDS, st.text(), st.text(), st.lists(JSON, max_size=3)),
    st.builds(Output, IDS, st.text()),
)
TO_WORKER: st.SearchStrategy[ToWorker] = st.one_of(
    st.builds(Answer, IDS, JSON, st.none() | FAULTS),
    st.builds(Call, IDS, st.text(), st.text(), st.lists(JSON, max_size=3), IDS),
)


@given(st.lists(FROM_WORKER, max_size=5), st.integers(1, 50))
def test_frames_arrive_whole_however_they_are_cut(messages: list[FromWorker], step: int) -> None:
    stream = b"".join(map(frame, messages))
    reader = FrameReader()
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]

    got = [decode_from_worker(body) for piece in pieces for body in reader.feed(piece)]

    assert got == messages


@given(TO_WORKER)
def test_what_the_gateway_says_is_understood(message: ToWorker) -> None:
    (body,) = FrameReader().feed(frame(message))
    assert decode_to_worker(body) == message


@given(st.binary(max_size=200))
def test_any_body_is_a_message_or_a_frame_error(body: bytes) -> None:
    for decode in (decode_from_worker, decode_to_worker):
        with suppress(FrameError):
            decode(body)


@given(JSON)
def test_any_json_is_a_message_or_a_frame_error(value: Any) -> None:
    for decode in (decode_from_worker, decode_to_worker):
        with suppress(FrameError):
            decode(msgspec.json.encode(value))


@given(st.binary(max_size=300))
def test_any_stream_gives_bodies_or_a_frame_error(stream: bytes) -> None:
    with suppress(FrameError):
        for body in FrameReader(64).feed(stream):
            assert len(body) <= 64


@given(st.integers(65, 2**32 - 1))
def test_a_length_over_the_cap_is_refused_at_once(size: int) -> None:
    with pytest.raises(FrameError):
        list(FrameReader(64).feed(struct.pack(">I", size)))
