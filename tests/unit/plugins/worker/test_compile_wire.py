from __future__ import annotations

import msgspec
import pytest

from carapace.plugins.worker.compile_wire import (
    Compiled,
    CompileJob,
    FromCompiler,
    NotCompiled,
    decode_answer,
    encode,
)


@pytest.mark.parametrize(
    "answer", [Compiled(3, ("a",), ("b",)), NotCompiled("IMPORT_REFUSED", "no")]
)
def test_an_answer_arrives_as_it_was_on_one_line(answer: FromCompiler):
    line = encode(answer)
    assert b"\n" not in line
    assert decode_answer(line) == answer


def test_a_job_says_what_may_come_in_and_must_go_out():
    job = CompileJob(("kv",), ("tool",))
    assert msgspec.json.decode(encode(job), type=CompileJob) == job


def test_nonsense_is_no_answer():
    with pytest.raises(msgspec.DecodeError):
        decode_answer(b'{"type":"maybe"}')
