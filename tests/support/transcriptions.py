"""A server with `POST /v1/audio/transcriptions`, after OpenAI's public API reference.

It refuses what the real one refuses (no model, no file, a file without a known ending) and
notes what it was asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from support.egress import serving

__all__ = ["Asked", "FakeTranscriptions", "transcriptions"]

_ENDINGS = {"flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"}


@dataclass
class Asked:
    """One request."""

    model: str
    filename: str
    content_type: str
    data: bytes
    language: str | None
    authorization: str | None


@dataclass
class FakeTranscriptions:
    """What it answers, and what it was asked."""

    text: str = "hello from the recording"
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[Asked] = field(default_factory=list[Asked])
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        model = form.get("model")
        if not isinstance(file, web.FileField) or not isinstance(model, str):
            return _error(400, "you must provide a model parameter")
        ending = file.filename.rpartition(".")[2]
        if ending not in _ENDINGS:
            return _error(400, f"Invalid file format. Supported formats: {sorted(_ENDINGS)}")
        if form.get("response_format", "json") != "json":
            return _error(400, "only json is spoken here")
        language = form.get("language")
        self.asked.append(
            Asked(
                model,
                file.filename,
                file.content_type,
                file.file.read(),
                language if isinstance(language, str) else None,
                request.headers.get("authorization"),
            )
        )
        if self.status != 200:
            return _error(self.status, "told to fail", self.headers)
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        return web.json_response({"text": self.text, "usage": {"type": "duration", "seconds": 1}})


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": text, "type": "invalid_request_error", "code": None}}
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def transcriptions() -> AsyncGenerator[FakeTranscriptions]:
    """The server on loopback; `url` is the base URL of its API."""
    fake = FakeTranscriptions()
    async with serving(web.post("/v1/audio/transcriptions", fake.handle)) as port:
        fake.url = f"http://127.0.0.1:{port}/v1"
        yield fake
