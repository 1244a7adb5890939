"""Engines of speech, and servers that speak."""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from carapace.agent.speech.ports import NotSpoken, Spoken
from support.egress import serving

__all__ = ["FakeSpeechServer", "Parrot", "speech_server", "wav"]


def wav(sound: bytes = b"\x00\x01" * 400, *, said_bytes: int | None = None) -> bytes:
    """A mono WAV file; `said_bytes` is the length that its head claims."""
    size = len(sound) if said_bytes is None else said_bytes
    head = struct.pack("<IHHIIHH", 16, 1, 1, 22_050, 44_100, 2, 16)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", size) + sound
    return b"RIFF" + struct.pack("<I", size + 36) + body


class Parrot:
    """An engine that gives the same sound for everything, unless told to fail."""

    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()

    def __init__(self, name: str, *, trouble: str | None = None) -> None:
        self.id = name
        self.name = name.title()
        self.is_local = name in {"piper", "espeak-ng"}
        self.why = trouble
        self.heard: list[str] = []
        if name == "openai":
            self.models, self.voices = ("tts-1",), ("alloy",)

    def trouble(self) -> str | None:
        return self.why

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        assert timeout_s > 0
        if self.why:
            raise NotSpoken(self.why)
        self.heard.append(text)
        return Spoken(wav(), "opus" if as_voice else "wav", is_voice=as_voice)


@dataclass
class FakeSpeechServer:
    """Answers as the two services do, after their public references; notes what it was asked."""

    status: int = 200
    body: bytes = b"ID3\x04 a recording"
    asked: list[tuple[str, dict[str, str], Any]] = field(
        default_factory=list[tuple[str, dict[str, str], Any]]
    )
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        given = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((str(request.rel_url), given, await request.json()))
        if self.status != 200:
            error = {"error": {"message": "told to fail", "type": "invalid_request_error"}}
            return web.json_response(error, status=self.status)
        return web.Response(body=self.body, content_type="audio/mpeg")


@asynccontextmanager
async def speech_server() -> AsyncGenerator[FakeSpeechServer]:
    """One on a free port of this machine."""
    fake = FakeSpeechServer()
    async with serving(web.post("/{rest:.*}", fake.handle)) as port:
        fake.url = f"http://127.0.0.1:{port}"
        yield fake
