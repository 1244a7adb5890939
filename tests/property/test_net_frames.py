"""Whatever a server sends, in whatever pieces: messages or a refusal, never beyond the cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from carapace.net.frames import FrameReader, Message, ProtocolViolation, message_frame

CAP = 300


def unmasked(frame: bytes) -> bytes:
    """A client's frame with a mask of zeros, as a server would write it."""
    size = 2 + {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    return bytes([frame[0], frame[1] & 0x7F]) + frame[2:size] + frame[size + 4 :]


@given(st.binary(max_size=2000), st.integers(min_value=1, max_value=50))
def test_junk_is_read_or_refused_and_never_hoarded(data, step):
    reader = FrameReader(CAP)
    try:
        for start in range(0, len(data), step):
            for event in reader.feed(data[start : start + step]):
                if isinstance(event, Message):
                    text = event.data
                    assert len(text.encode() if isinstance(text, str) else text) <= CAP
            assert len(reader._buffer) <= CAP + step + 10
    except ProtocolViolation as violation:
        assert violation.code in {1002, 1007, 1009}  # noqa: PT017 - both ends are right


@given(st.lists(st.text(max_size=70) | st.binary(max_size=200)), st.integers(1, 40))
def test_what_is_written_is_read_again_in_any_pieces(messages, step):
    wire = b"".join(unmasked(message_frame(message, b"\0\0\0\0")) for message in messages)
    reader = FrameReader(CAP)
    got = [e for i in range(0, len(wire), step) for e in reader.feed(wire[i : i + step])]
    assert got == [Message(message) for message in messages]


@given(st.binary(max_size=500), st.binary(min_size=4, max_size=4))
def test_masking_twice_gives_the_same_back(payload, mask):
    frame = message_frame(payload, mask)
    body = frame[-len(payload) :] if payload else b""
    assert bytes(b ^ mask[i % 4] for i, b in enumerate(body)) == payload
