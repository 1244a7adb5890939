"""Engines of this machine: the text is on their input, and they end."""

from __future__ import annotations

import io
import shutil
import wave
from pathlib import Path

import pytest

from carapace.agent.speech import command
from carapace.agent.speech.command import EspeakEngine, PiperEngine, run_engine
from carapace.agent.speech.ports import NotSpoken
from carapace.config.settings.speech import EspeakSettings, PiperSettings
from support.skills import make_program
from support.speech import wav

pytestmark = pytest.mark.slow


def with_sound(tmp_path: Path, script: str) -> Path:
    (tmp_path / "sound.wav").write_bytes(wav())
    return make_program(tmp_path / "bin", "engine", script.format(sound=tmp_path / "sound.wav"))


async def test_espeak_is_given_its_voice_and_speed_and_the_text_on_its_input(tmp_path: Path):
    script = "test \"$(cat)\" = '-v evil $(id)' || exit 9\ntest \"$6 $8\" = 'de 200' || exit 8"
    program = with_sound(tmp_path, script + "\ncat {sound}")
    settings = EspeakSettings(voice="de", words_per_minute=200)
    engine = EspeakEngine(lambda: settings, lambda _name: str(program))
    spoken = await engine.speak("-v evil $(id)", as_voice=True, timeout_s=20)
    assert (spoken.format, spoken.is_voice) == ("wav", False)
    assert spoken.data == wav()


async def test_without_its_program_espeak_says_what_to_install():
    engine = EspeakEngine(EspeakSettings, lambda _name: None)
    assert "apt install espeak-ng" in str(engine.trouble())
    with pytest.raises(NotSpoken, match="apt install"):
        await engine.speak("x", as_voice=False, timeout_s=1)


async def test_piper_needs_a_voice_and_a_program_and_hears_one_line(tmp_path: Path):
    settings = PiperSettings()
    found: str | None = None
    engine = PiperEngine(lambda: settings, lambda _name: found)
    assert "needs a voice" in str(engine.trouble())
    settings = PiperSettings(voice=str(tmp_path / "v.onnx"))
    assert "is not there" in str(engine.trouble())
    (tmp_path / "v.onnx").write_text("weights")
    assert "not installed" in str(engine.trouble())
    with pytest.raises(NotSpoken, match="not installed"):
        await engine.speak("x", as_voice=False, timeout_s=1)
    asked = f"--model {tmp_path / 'v.onnx'} --output_file -"
    script = f'test "$(cat)" = "a b" || exit 9\ntest "$1 $2 $3 $4" = "{asked}" || exit 8\n'
    program = with_sound(tmp_path, script + "cat {sound}")
    found = str(program)
    assert engine.trouble() is None
    assert (await engine.speak("a\nb", as_voice=False, timeout_s=20)).data == wav()
    found = None
    settings = PiperSettings(voice=settings.voice, command=str(program))
    assert engine.trouble() is None


async def test_what_goes_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failing = make_program(tmp_path, "failing", "exit 3")
    with pytest.raises(NotSpoken, match="failing ended with code 3"):
        await run_engine((str(failing),), "x", timeout_s=20)
    hanging = make_program(tmp_path, "hanging", "exec sleep 60")
    with pytest.raises(NotSpoken, match=r"hanging took longer than 0\.2 s"):
        await run_engine((str(hanging),), "x", timeout_s=0.2)
    monkeypatch.setattr(command, "MAX_AUDIO_BYTES", 1_000)
    endless = make_program(tmp_path, "endless", "cat /dev/zero")
    with pytest.raises(NotSpoken, match="too long"):
        await run_engine((str(endless),), "x" * 1_000_000, timeout_s=20)
    monkeypatch.setattr(command, "_LAUNCH", (str(tmp_path / "gone"),))
    with pytest.raises(NotSpoken, match="cannot be started"):
        await run_engine((str(failing),), "x", timeout_s=20)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed here")
async def test_the_real_espeak_says_hello():
    engine = EspeakEngine(EspeakSettings, shutil.which)
    assert engine.trouble() is None
    spoken = await engine.speak("Hello there.", as_voice=False, timeout_s=20)
    with wave.open(io.BytesIO(spoken.data)) as sound:
        assert sound.getnframes() > sound.getframerate() // 4
