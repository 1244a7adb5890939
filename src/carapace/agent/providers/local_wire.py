"""What the gateway and the process with the embedded model say to each other.

One JSON object a line, over the child's standard input and output. Both sides trust the
other's shape but not its size.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "MAX_LINE_BYTES",
    "Cancel",
    "ChatMessage",
    "Delta",
    "Done",
    "Fault",
    "FromWorker",
    "Generate",
    "Ready",
    "Start",
    "ToWorker",
    "decode_from_worker",
    "decode_to_worker",
    "encode",
]

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longest line either side takes, newline included; far above the longest context."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Load a model; sent once, first.

    Attributes:
        model_path: Absolute path of a GGUF file.
        context_tokens: Room for one conversation.
        threads: For prompt and answer alike.
        chat_template: A template of the engine, None for the file's own.
    """

    model_path: str
    context_tokens: int
    threads: int
    chat_template: str | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    """One message as the model sees it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    """Write one answer.

    Attributes:
        id: Names it in answers and in `Cancel`.
        messages: System first.
        max_tokens: Bound of the answer.
        temperature: 0 takes the likeliest token.
        lane: 0 or 1; each lane keeps its own prompt cache.
        schema: JSON Schema that the answer must fit, None for free text.
    """

    id: int
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float
    lane: Literal[0, 1] = 0
    schema: dict[str, Any] | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop writing; a `Done` still follows."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is loaded."""

    load_ms: int


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """More text of an answer."""

    id: int
    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """An answer has ended.

    Attributes:
        id: Which one.
        reason: Why.
        input_tokens: Of the prompt, those in `cached_tokens` not counted.
        output_tokens: Of the answer.
        cached_tokens: Of the prompt, known from the request before.
    """

    id: int
    reason: Literal["stop", "length", "cancelled"]
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """Something failed; the process goes on unless it could not load.

    Attributes:
        id: Of the answer, None if it was the loading.
        kind: `engine` if the package is missing, `load` for the file, `context` if the prompt is
            too long, `broken` for the rest.
        message: The engine's words.
    """

    id: int | None
    kind: Literal["engine", "load", "context", "broken"]
    message: str


ToWorker = Start | Generate | Cancel
FromWorker = Ready | Delta | Done | Fault

_encoder = msgspec.json.Encoder()
_to_worker = msgspec.json.Decoder[ToWorker](ToWorker)
_from_worker = msgspec.json.Decoder[FromWorker](FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """One line."""
    return _encoder.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """The message of a line.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _to_worker.decode(line)


def decode_from_worker(line: bytes) -> FromWorker:
    """The message of a line.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _from_worker.decode(line)
