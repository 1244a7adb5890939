"""Messages between the gateway and the process that embeds."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.memory import wire


@pytest.mark.parametrize("message", [wire.Embed(("a", "ü")), wire.Nearest("q", b"\0\xff", 3)])
def test_requests_come_out_as_they_went_in(message):
    frame = wire.encode(message)
    assert wire.body_length(frame[: wire.HEADER_BYTES]) == len(frame) - wire.HEADER_BYTES
    assert wire.decode_to_worker(frame[wire.HEADER_BYTES :]) == message


@pytest.mark.parametrize(
    "message",
    [
        wire.Ready(12),
        wire.Vectors(b"\0" * 768),
        wire.Found(((3, 0.5), (0, -0.25))),
        wire.Fault("load", "no"),
    ],
)
def test_answers_come_out_as_they_went_in(message):
    assert wire.decode_from_worker(wire.encode(message)[wire.HEADER_BYTES :]) == message


@pytest.mark.parametrize("header", [b"", b"\0\0\0", b"\xff\xff\xff\xff"])
def test_a_length_that_is_cut_off_or_too_long_is_refused(header):
    with pytest.raises(ValueError, match="length"):
        wire.body_length(header)


def test_a_request_is_no_answer():
    with pytest.raises(msgspec.DecodeError):
        wire.decode_from_worker(wire.encode(wire.Embed(()))[wire.HEADER_BYTES :])


def test_twenty_thousand_vectors_fit_into_a_message():
    assert wire.MAX_FRAME_BYTES > 20_000 * 384 * 2 * 2
