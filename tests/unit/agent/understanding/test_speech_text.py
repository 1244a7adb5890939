"""Recordings: what reaches the engine, and what is said when there is none."""

from __future__ import annotations

import sys
import types
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.understanding.speech_text import SAMPLE_RATE_HZ, pcm_of, read_speech
from carapace.agent.understanding.wire import Job, Reading, Unreadable
from support.documents import wav

JOB = Job("speech", max_chars=1_000)


class SmallEngine(types.ModuleType):
    """As much of `pocketsphinx` as is used: it says how much it was given."""

    class Decoder:
        def __init__(self, **options: Any) -> None:
            assert options["samprate"] == SAMPLE_RATE_HZ
            self.heard = b""

        def start_utt(self) -> None:
            self.heard = b""

        def process_raw(self, data: bytes, *, full_utt: bool) -> None:
            assert full_utt
            self.heard += data

        def end_utt(self) -> None:
            assert self.heard

        def hyp(self) -> Any:
            if not any(self.heard):
                return None
            return types.SimpleNamespace(hypstr=f"{len(self.heard)} bytes")


class Whisper(types.ModuleType):
    """As much of `faster_whisper` as is used."""

    class WhisperModel:
        def __init__(self, folder: str, **options: Any) -> None:
            assert options == {"device": "cpu", "compute_type": "int8", "local_files_only": True}

        def transcribe(self, audio: Any, *, language: str | None, vad_filter: bool) -> Any:
            assert vad_filter
            if audio.read() == b"broken":
                raise ValueError("not audio")
            pieces = [
                types.SimpleNamespace(text=f" hello in {language} "),
                types.SimpleNamespace(text="you"),
            ]
            return iter(pieces), None


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", SmallEngine("pocketsphinx"))


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Job:
    monkeypatch.setitem(sys.modules, "faster_whisper", Whisper("faster_whisper"))
    (tmp_path / "model.bin").write_bytes(b"weights")
    return Job("speech", max_chars=100, language="de", model_dir=str(tmp_path))


def test_samples_of_the_right_rate_are_taken_as_they_are():
    data = wav(seconds=0.01)
    assert len(pcm_of(data)) == 320
    assert pcm_of(data) == data[-320:]


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_become_the_right_one(rate_hz: int):
    assert abs(len(pcm_of(wav(seconds=0.1, rate_hz=rate_hz))) - 3_200) <= 2


def test_the_first_channel_is_heard():
    mono, stereo = wav(seconds=0.01), wav(seconds=0.01, channels=2)
    assert pcm_of(stereo) == pcm_of(mono)
    assert array("h", pcm_of(stereo))


def test_what_is_no_plain_wav_is_refused():
    with pytest.raises(ValueError, match="16-bit"):
        pcm_of(wav(width=1))
    for data in (b"", b"OggS" + bytes(100), wav()[:20]):
        with pytest.raises((wave.Error, EOFError)):
            pcm_of(data)


def test_the_small_engine_hears_wav(small: None):
    assert read_speech(wav(seconds=0.01), JOB) == Reading("320 bytes")


def test_silence_says_nothing(small: None):
    data = wav(seconds=0.01)
    assert read_speech(data[:-320] + bytes(320), JOB) == Reading("")
    assert read_speech(wav(seconds=0.0), JOB) == Reading("")


def test_sounds_without_words_say_nothing(small: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SmallEngine.Decoder, "hyp", lambda _: None)
    assert read_speech(wav(seconds=0.01), JOB) == Reading("")


def test_the_small_engine_says_what_it_cannot(small: None):
    told = read_speech(b"OggS" + bytes(100), JOB)
    assert isinstance(told, Unreadable)
    assert "16-bit WAV" in told.reason
    told = read_speech(wav(), Job("speech", max_chars=10, language="de"))
    assert told == Unreadable("is not in English, the only language of the small speech engine")


def test_a_missing_engine_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    told = read_speech(wav(), JOB)
    assert isinstance(told, Unreadable)
    assert told.is_missing
    assert "tools.media.audio.models" in told.reason
    told = read_speech(wav(), Job("speech", max_chars=10, model_dir="somewhere"))
    assert isinstance(told, Unreadable)
    assert told.is_missing
    assert "faster-whisper" in told.reason


def test_a_model_folder_takes_the_large_engine(whisper: Job):
    assert read_speech(b"ogg", whisper) == Reading("hello in de you")
    told = read_speech(b"broken", whisper)
    assert told == Unreadable("could not be heard (ValueError)")


def test_a_folder_without_a_model_is_told(whisper: Job, tmp_path: Path):
    (tmp_path / "model.bin").unlink()
    told = read_speech(b"ogg", whisper)
    assert isinstance(told, Unreadable)
    assert told.is_missing


@pytest.mark.slow
def test_the_real_small_engine_takes_what_it_is_given():
    told = read_speech(wav(seconds=0.5, rate_hz=8_000), JOB)
    assert isinstance(told, Reading)
