from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

import pytest

from carapace.agent.providers.local_wire import (
    Cancel,
    ChatMessage,
    Delta,
    Done,
    Fault,
    Generate,
    Ready,
    Start,
    decode_from_worker,
    encode,
)
from carapace.agent.providers.local_worker import serve

START = Start("/m.gguf", 512, 1)


def ask(number):
    return Generate(number, (ChatMessage("user", "x"),), 5, 0.0)


class Engine:
    def __init__(self, start):
        self.start = start

    def generate(self, request, on_text, is_cancelled):
        on_text("a")
        return Done(request.id, "cancelled" if is_cancelled() else "stop")


def talk(*messages, load: Callable[[Start], Engine] = Engine, tail=b""):
    out, ended = io.BytesIO(), threading.Event()
    lines = io.BytesIO(b"".join(encode(m) for m in messages) + tail)
    serve(lines, out, load, on_end=ended.set)
    assert ended.wait(5)
    return [decode_from_worker(line) for line in out.getvalue().splitlines()]


def test_it_loads_then_answers_until_the_input_ends():
    ready, *rest = talk(START, ask(1), ask(2))
    assert isinstance(ready, Ready)
    assert rest == [Delta(1, "a"), Done(1, "stop"), Delta(2, "a"), Done(2, "stop")]


@pytest.mark.parametrize(("error", "kind"), [(ImportError, "engine"), (RuntimeError, "load")])
def test_what_cannot_be_loaded_is_told_and_ends_it(error, kind):
    def load(_start):
        raise error("why")

    assert talk(START, load=load) == [Fault(None, kind, "why")]


def test_an_engine_that_fails_is_told_and_goes_on():
    class Failing(Engine):
        def generate(self, request, on_text, is_cancelled):
            if request.id == 1:
                raise RuntimeError("why")
            return Done(request.id, "stop")

    assert talk(START, ask(1), ask(2), load=Failing)[1:] == [
        Fault(1, "broken", "why"),
        Done(2, "stop"),
    ]


def test_it_begins_with_a_start_or_not_at_all():
    assert talk(ask(1)) == []
    assert talk(tail=b"nonsense\n") == []


def test_a_second_start_ends_it():
    assert len(talk(START, START)) == 1


def test_a_line_without_end_ends_it():
    assert len(talk(START, tail=b'{"type":"generate"')) == 1


def test_a_cancel_is_seen_while_an_answer_is_written():
    reader, writer = os.pipe()
    seen = threading.Event()

    class Waiting(Engine):
        def generate(self, request, on_text, is_cancelled):
            os.write(writer, encode(Cancel(request.id)))
            while not is_cancelled():
                seen.wait(0.001)
            os.close(writer)
            return Done(request.id, "cancelled")

    out = io.BytesIO()
    os.write(writer, encode(START) + encode(ask(1)))
    with os.fdopen(reader, "rb") as lines:
        serve(lines, out, Waiting)
    assert decode_from_worker(out.getvalue().splitlines()[1]) == Done(1, "cancelled")


def test_a_gateway_that_is_gone_ends_it():
    class Broken(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        serve(io.BytesIO(encode(START)), Broken(), Engine)
