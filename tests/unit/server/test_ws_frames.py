"""Outgoing frames are what RFC 6455 says they are."""

from __future__ import annotations

import pytest

from carapace.server.ws_frames import (
    OP_CLOSE,
    OP_PONG,
    OP_TEXT,
    accept_key,
    close_frame,
    frame_head,
    switching_protocols,
)


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_length_takes_as_few_bytes_as_it_can(length, head):
    assert frame_head(OP_TEXT, length) == head


def test_the_opcode_stands_in_the_first_byte():
    assert frame_head(OP_PONG, 1) == b"\x8a\x01"
    assert frame_head(OP_CLOSE, 2) == b"\x88\x02"


def test_a_close_frame_carries_code_and_reason():
    assert close_frame(1008, "no") == b"\x88\x04\x03\xf0no"


def test_a_long_reason_is_cut_at_a_characters_edge():
    frame = close_frame(1008, "ä" * 100)
    assert len(frame) == 2 + 2 + 122
    assert frame[4:].decode() == "ä" * 61


def test_the_accept_value_is_the_one_of_the_rfc():
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("key", ["", "x", "dGhlIHNhbXBsZQ==", "!!!!", "ä"])
def test_a_key_that_is_not_16_bytes_is_refused(key):
    assert accept_key(key) is None


def test_the_answer_switches_protocols():
    head = switching_protocols(b"abc")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: abc\r\n" in head
    assert head.endswith(b"\r\n\r\n")
