"""The loop of the process that embeds, over pipes in memory."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from carapace.agent.memory import wire
from carapace.agent.memory.engine import DIMS, Engine
from carapace.agent.memory.worker import serve
from support.embed_worker import WordEngine


def run(*requests, load: Callable[[], Engine] = WordEngine, tail=b""):
    out = io.BytesIO()
    serve(io.BytesIO(b"".join(map(wire.encode, requests)) + tail), out, load)
    answers, data = [], out.getvalue()
    while data:
        end = wire.HEADER_BYTES + wire.body_length(data[: wire.HEADER_BYTES])
        answers.append(wire.decode_from_worker(data[wire.HEADER_BYTES : end]))
        data = data[end:]
    return answers


def test_texts_become_vectors_and_a_question_finds_them():
    ready, made = run(wire.Embed(("green tea", "blue car")))
    assert isinstance(ready, wire.Ready)
    assert isinstance(made, wire.Vectors)
    assert len(made.vectors) == 2 * DIMS * 2
    _, found = run(wire.Nearest("which car", made.vectors, 2))
    assert isinstance(found, wire.Found)
    assert [position for position, _ in found.hits] == [1, 0]


def test_a_fault_is_told_and_the_next_request_is_answered():
    _, fault, made = run(wire.Embed(("fail",)), wire.Embed(("fine",)))
    assert fault == wire.Fault("refused", "kernel panic")
    assert isinstance(made, wire.Vectors)


@pytest.mark.parametrize(("how", "kind"), [("missing", "missing"), ("broken", "load")])
def test_a_model_that_does_not_load_is_told_and_ends_it(how, kind):
    answers = run(wire.Embed(("x",)), load=lambda: WordEngine(how))
    assert [(type(one), one.kind) for one in answers] == [(wire.Fault, kind)]


@pytest.mark.parametrize("tail", [b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x01\xc1", b"\0\0\0\x09x"])
def test_it_ends_at_what_makes_no_sense(tail):
    (ready,) = run(tail=tail)
    assert isinstance(ready, wire.Ready)
