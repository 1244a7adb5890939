"""The words of a recording, by an engine on this machine. Runs in the confined child only.

Two engines are known: `faster-whisper` with a model folder of the operator's, which knows many
languages and every usual format; and `pocketsphinx`, which brings a small English model and takes
WAV. The first that can be used is.
"""

from __future__ import annotations

import importlib
import io
import wave
from array import array
from pathlib import Path
from typing import Any, Final

from carapace.agent.understanding.wire import Job, Reading, Unreadable

__all__ = ["SAMPLE_RATE_HZ", "pcm_of", "read_speech"]

SAMPLE_RATE_HZ: Final = 16_000
_SAMPLE_BYTES: Final = 2
_MAX_S: Final = 600
_SILENT: Final = 200  # of 32,767: below the noise of any microphone that hears a voice
_MISSING: Final = (
    "needs a speech engine: set a model under tools.media.audio.models, or run: "
    "pip install 'carapace-gateway[transcription]'"
)
_NOT_WAV: Final = "is in a format that the small speech engine cannot read (it takes 16-bit WAV)"


def read_speech(data: bytes, job: Job) -> Reading | Unreadable:
    """What is said in `data`."""
    if job.model_dir is not None:
        return _whisper(data, job, job.model_dir)
    return _pocketsphinx(data, job)


def _whisper(data: bytes, job: Job, model_dir: str) -> Reading | Unreadable:
    try:
        library: Any = importlib.import_module("faster_whisper")
    except ImportError:
        return Unreadable(
            "needs faster-whisper, which is not installed. Run: pip install faster-whisper",
            is_missing=True,
        )
    if not (Path(model_dir) / "model.bin").is_file():
        return Unreadable(
            f"needs a speech model, and there is none in {model_dir}", is_missing=True
        )
    try:
        model = library.WhisperModel(
            model_dir, device="cpu", compute_type="int8", local_files_only=True
        )
        pieces, _ = model.transcribe(io.BytesIO(data), language=job.language, vad_filter=True)
        text = " ".join(piece.text.strip() for piece in pieces)
    except Exception as error:  # noqa: BLE001 - native code raises whatever a broken file makes it
        return Unreadable(f"could not be heard ({type(error).__name__})")
    return Reading(text)


def _pocketsphinx(data: bytes, job: Job) -> Reading | Unreadable:
    try:
        library: Any = importlib.import_module("pocketsphinx")
    except ImportError:
        return Unreadable(_MISSING, is_missing=True)
    if job.language not in (None, "en"):
        return Unreadable("is not in English, the only language of the small speech engine")
    try:
        samples = pcm_of(data)
    except (wave.Error, EOFError, ValueError):
        return Unreadable(_NOT_WAV)
    heard: array[int] = array("h", samples)
    if max(map(abs, heard), default=0) < _SILENT:
        return Reading("")  # the engine hears words in silence
    decoder = library.Decoder(samprate=float(SAMPLE_RATE_HZ), loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return Reading("" if found is None else found.hypstr)


def pcm_of(data: bytes) -> bytes:
    """A WAV file as 16-bit samples of one channel at `SAMPLE_RATE_HZ`, ten minutes at most.

    Raises:
        wave.Error: If it is no WAV file, or not of plain samples.
        EOFError: If it is cut off.
        ValueError: If its samples are not of 16 bits, or its header makes no sense.
    """
    with wave.open(io.BytesIO(data)) as file:
        n_channels, rate_hz = file.getnchannels(), file.getframerate()
        if file.getsampwidth() != _SAMPLE_BYTES or rate_hz <= 0:
            raise ValueError("not 16-bit samples")
        raw = file.readframes(min(file.getnframes(), rate_hz * _MAX_S))
    samples: array[int] = array("h")
    samples.frombytes(raw[: len(raw) // (_SAMPLE_BYTES * n_channels) * _SAMPLE_BYTES * n_channels])
    first: array[int] = samples[::n_channels]
    if rate_hz == SAMPLE_RATE_HZ:
        return first.tobytes()
    n_samples = len(first) * SAMPLE_RATE_HZ // rate_hz
    moved: list[int] = [first[at * rate_hz // SAMPLE_RATE_HZ] for at in range(n_samples)]
    return array("h", moved).tobytes()
