"""Heads of recordings that were written into a pipe."""

from __future__ import annotations

import io
import wave

import pytest

from carapace.agent.speech.ports import NotSpoken
from carapace.agent.speech.wav import mended
from support.speech import wav


def test_the_length_is_that_of_the_sound():
    broken = wav(b"\x01\x02" * 50, said_bytes=0x7FFFF000)
    with wave.open(io.BytesIO(mended(broken))) as sound:
        assert (sound.getnframes(), sound.getframerate()) == (50, 22_050)
        assert sound.readframes(50) == b"\x01\x02" * 50


def test_a_right_file_is_left_as_it_is():
    assert mended(wav()) == wav()


@pytest.mark.parametrize("data", [b"", b"RIFF", b"MP3 data here", wav(b""), wav()[:30]])
def test_what_is_no_sound_is_refused(data: bytes):
    with pytest.raises(NotSpoken):
        mended(data)
