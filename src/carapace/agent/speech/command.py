"""Engines that are programs of this machine: espeak-ng and piper."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from carapace.agent.child_process import ROOT, kill_group, reap, worker_environment
from carapace.agent.speech.ports import MAX_AUDIO_BYTES, NotSpoken, Spoken
from carapace.agent.speech.wav import mended
from carapace.config.settings.speech import EspeakSettings, PiperSettings

__all__ = ["EspeakEngine", "PiperEngine", "run_engine"]

_LAUNCH: Final = (sys.executable, "-P", "-m", "carapace.agent.speech.launch")
_PIECE_BYTES: Final = 65_536
FindProgram = Callable[[str], str | None]


class EspeakEngine:
    """espeak-ng: small, at once, more than a hundred languages, and sounds like a machine.

    Args:
        settings: `messages.tts.espeak`, as they are now.
        find: Where a program is.
    """

    id = "espeak-ng"
    name = "eSpeak NG (this machine)"
    is_local = True
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()

    def __init__(self, settings: Callable[[], EspeakSettings], find: FindProgram) -> None:
        self._settings = settings
        self._find = find

    def trouble(self) -> str | None:
        """See `SpeechEngine`."""
        if self._find("espeak-ng") is None:
            return "espeak-ng is not installed here; on Debian: apt install espeak-ng"
        return None

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        """See `SpeechEngine`; always WAV."""
        del as_voice
        program, settings = self._find("espeak-ng"), self._settings()
        if program is None:
            raise NotSpoken(str(self.trouble()))
        # The text goes in on standard input: no word of it can be an option.
        argv = (program, "--stdin", "--stdout", "-b", "1")
        argv += ("-v", settings.voice, "-s", str(settings.words_per_minute))
        return Spoken(mended(await run_engine(argv, text, timeout_s=timeout_s)), "wav")


class PiperEngine:
    """piper: sounds like a person; needs its program and a voice file.

    Args:
        settings: `messages.tts.piper`, as they are now.
        find: Where a program is.
    """

    id = "piper"
    name = "Piper (this machine)"
    is_local = True
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()

    def __init__(self, settings: Callable[[], PiperSettings], find: FindProgram) -> None:
        self._settings = settings
        self._find = find

    def trouble(self) -> str | None:
        """See `SpeechEngine`."""
        settings = self._settings()
        if settings.voice is None:
            return "piper needs a voice: set messages.tts.piper.voice to an .onnx file"
        if self._voice() is None:
            return f"the voice {settings.voice} is not there"
        if self._program() is None:
            return f"{settings.command} is not installed here"
        return None

    def _voice(self) -> str | None:
        said = self._settings().voice
        path = None if said is None else Path(said).expanduser()
        return str(path) if path is not None and path.is_file() else None

    def _program(self) -> str | None:
        command = self._settings().command
        if "/" in command:
            path = Path(command).expanduser()
            return str(path) if os.access(path, os.X_OK) and path.is_file() else None
        return self._find(command)

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        """See `SpeechEngine`; always WAV."""
        del as_voice
        program, voice, trouble = self._program(), self._voice(), self.trouble()
        if program is None or voice is None or trouble is not None:
            raise NotSpoken(str(trouble))
        argv = (program, "--model", voice, "--output_file", "-")
        # It speaks line by line; one line is one recording.
        line = " ".join(text.split())
        return Spoken(mended(await run_engine(argv, line, timeout_s=timeout_s)), "wav")


async def run_engine(argv: Sequence[str], text: str, *, timeout_s: float) -> bytes:
    """What a program writes to its output when it reads `text`; it has ended on return.

    Raises:
        NotSpoken: If it fails, takes too long, or writes too much.
    """
    name = Path(argv[0]).name
    try:
        process = await asyncio.create_subprocess_exec(
            *_LAUNCH,
            str(os.getpid()),
            *argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=worker_environment(os.environ),
            cwd=ROOT,
            start_new_session=True,
        )
    except OSError as error:
        raise NotSpoken(f"{name} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
            group.create_task(_feed(process, text))
            sound = await _collect(process)
            code = await process.wait()
    except TimeoutError:
        raise NotSpoken(f"{name} took longer than {timeout_s:g} s") from None
    finally:
        kill_group(process)
        await reap(process)
    if len(sound) > MAX_AUDIO_BYTES:
        raise NotSpoken(f"{name} made a recording that is too long; give it less text")
    if code != 0:
        raise NotSpoken(f"{name} ended with code {code}")
    return sound


async def _feed(process: Process, text: str) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with suppress(OSError):  # an engine that has heard enough closes its end
        process.stdin.write(text.encode("utf-8", errors="replace"))
        await process.stdin.drain()
    process.stdin.close()


async def _collect(process: Process) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    found = bytearray()
    while piece := await process.stdout.read(_PIECE_BYTES):
        if len(found) <= MAX_AUDIO_BYTES:
            found += piece
        else:
            kill_group(process)  # and on to the end of what it said, so that it counts as ended
    return bytes(found)
