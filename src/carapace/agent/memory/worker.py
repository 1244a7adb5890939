"""The process that embeds: `python -m carapace.agent.memory.worker`.

It is apart from the gateway so that a crash in native code costs one search by meaning, so
that its memory goes back to the system when it stops, and so that it can be confined. It keeps
nothing between requests and ends when its standard input ends.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from carapace.agent.memory.engine import E5Engine, Engine, nearest
from carapace.agent.memory.wire import (
    HEADER_BYTES,
    Embed,
    Fault,
    Found,
    FromWorker,
    Ready,
    ToWorker,
    Vectors,
    body_length,
    decode_to_worker,
    encode,
)
from carapace.confine import confine

__all__ = ["main", "serve"]


def serve(requests: BinaryIO, out: BinaryIO, load: Callable[[], Engine]) -> None:
    """Load the model, then answer until `requests` ends or makes no sense."""

    def send(message: FromWorker) -> None:
        out.write(encode(message))
        out.flush()

    engine = _load(load, send)
    while engine is not None and (request := _next(requests)) is not None:
        send(_answer(engine, request))


def _load(load: Callable[[], Engine], send: Callable[[FromWorker], None]) -> Engine | None:
    began = time.monotonic()
    try:
        engine = load()
    except ImportError as error:
        send(Fault("missing", str(error)))
        return None
    except Exception as error:  # noqa: BLE001 - whatever native code raises, the gateway must hear it
        send(Fault("load", str(error)))
        return None
    send(Ready(load_ms=round((time.monotonic() - began) * 1000)))
    return engine


def _next(requests: BinaryIO) -> ToWorker | None:
    try:
        length = body_length(requests.read(HEADER_BYTES))
        return decode_to_worker(requests.read(length))
    except (ValueError, msgspec.DecodeError):
        return None


def _answer(engine: Engine, request: ToWorker) -> FromWorker:
    try:
        if isinstance(request, Embed):
            rows = engine.embed(request.texts, is_question=False)
            return Vectors(rows.astype("<f2").tobytes())
        question = engine.embed((request.question,), is_question=True)[0]
        return Found(tuple(nearest(question, request.vectors, request.limit)))
    except Exception as error:  # noqa: BLE001 - whatever native code raises, the gateway must hear it
        return Fault("refused", str(error))


def main() -> None:
    """Confine the process, take over its pipes and serve."""
    confine(parent_pid=int(sys.argv[1]))
    # Native code prints to standard output as it likes; our pipe must not be that.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out, E5Engine)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
