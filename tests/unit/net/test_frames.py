from __future__ import annotations

import pytest

from carapace.net.frames import (
    Close,
    CloseCode,
    FrameReader,
    Message,
    Ping,
    Pong,
    ProtocolViolation,
    close_frame,
    message_frame,
    ping_frame,
    pong_frame,
)

MASK = b"\x37\xfa\x21\x3d"


def read(data, cap=1000):
    return list(FrameReader(cap).feed(data))


def from_server(first, payload):
    size = len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


def test_the_examples_of_the_rfc_are_read():
    # RFC 6455 section 5.7
    assert read(bytes.fromhex("810548656c6c6f")) == [Message("Hello")]
    assert read(bytes.fromhex("010348656c80026c6f")) == [Message("Hello")]
    assert read(bytes.fromhex("890548656c6c6f")) == [Ping(b"Hello")]
    assert read(bytes.fromhex("8a0548656c6c6f")) == [Pong(b"Hello")]


def test_the_examples_of_the_rfc_are_written():
    assert message_frame("Hello", MASK) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert pong_frame(b"Hello", MASK) == bytes.fromhex("8a8537fa213d7f9f4d5158")
    assert ping_frame(b"", MASK) == b"\x89\x80" + MASK


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_every_length_is_read_and_written(size):
    data = b"x" * size
    assert read(from_server(0x82, data), cap=65_536) == [Message(data)]
    frame = message_frame(data, b"\0\0\0\0")
    assert frame.endswith(data)
    assert frame[1] & 0x80
    assert len(frame) == size + 4 + (2 if size < 126 else 4 if size < 65_536 else 10)


def test_frames_may_come_byte_by_byte():
    reader = FrameReader(1000)
    data = from_server(0x81, b"a" * 200) + from_server(0x88, b"\x03\xe8bye")
    events = [event for byte in data for event in reader.feed(bytes([byte]))]
    assert events == [Message("a" * 200), Close(1000, "bye")]


def test_control_frames_come_between_fragments():
    data = (
        from_server(0x01, "ä".encode()[:1])
        + from_server(0x89, b"p")
        + from_server(0x00, b"")
        + from_server(0x80, "ä".encode()[1:])
    )
    assert read(data) == [Ping(b"p"), Message("ä")]


def test_a_message_may_be_exactly_as_large_as_its_cap():
    assert read(from_server(0x82, b"x" * 10), cap=10) == [Message(b"x" * 10)]


@pytest.mark.parametrize(
    "data",
    [
        from_server(0x82, b"x" * 11),
        b"\x82\x7f" + (1 << 40).to_bytes(8, "big"),
        b"\x82\x7f\xff" + b"\xff" * 7,
        from_server(0x02, b"x" * 6) + from_server(0x80, b"x" * 5),
    ],
)
def test_a_message_beyond_its_cap_ends_it_before_it_is_kept(data):
    with pytest.raises(ProtocolViolation) as caught:
        read(data, cap=10)
    assert caught.value.code == CloseCode.TOO_BIG


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1\x00",  # a reserved bit
        b"\x81\x80\0\0\0\0",  # masked
        b"\x83\x00",  # unknown opcodes
        b"\x8f\x00",
        b"\x09\x00",  # a fragmented ping
        b"\x89\x7e\x00\x7e" + b"x" * 126,  # a long ping
        b"\x80\x00",  # continues nothing
        b"\x01\x01a\x81\x01b",  # a new message inside a message
        b"\x82\x7e\x00\x05",  # lengths in a long form
        b"\x82\x7f" + (70).to_bytes(8, "big"),
        b"\x82\x7f" + (65_535).to_bytes(8, "big"),
        b"\x88\x01\x03",  # half a close code
        b"\x88\x02\x03\xed",  # 1005 and 1006 never stand in a frame
        b"\x88\x02\x03\xee",
        b"\x88\x02\x00\x00",
        b"\x88\x02\x07\xd0",
        b"\x88\x02\x13\x88",
    ],
)
def test_whatever_the_rfc_forbids_ends_it(data):
    with pytest.raises(ProtocolViolation) as caught:
        read(data)
    assert caught.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("data", [b"\x81\x02\xc3\x28", b"\x81\x01\xff", b"\x88\x03\x03\xe8\xff"])
def test_text_that_is_not_utf8_ends_it(data):
    with pytest.raises(ProtocolViolation) as caught:
        read(data)
    assert caught.value.code == CloseCode.INVALID_TEXT


@pytest.mark.parametrize("code", [1000, 1003, 1011, 1012, 3000, 4999])
def test_valid_close_codes_are_read(code):
    assert read(from_server(0x88, code.to_bytes(2, "big"))) == [Close(code, "")]


def test_a_close_without_a_code_says_so():
    assert read(b"\x88\x00") == [Close(CloseCode.NO_STATUS, "")]


def test_a_long_reason_is_cut_between_characters():
    frame = close_frame(1000, "ä" * 100, b"\0\0\0\0")
    assert len(frame) - 6 <= 125
    assert frame[8:].decode() == "ä" * 61
