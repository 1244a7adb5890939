"""What gateway and child say to each other."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.understanding.wire import Job, Reading, Unreadable, decode_answer, encode


@pytest.mark.parametrize(
    "answer",
    [
        Reading("text"),
        Reading("t", title="x", n_pages=3, is_cut=True),
        Unreadable("is broken"),
        Unreadable("is not there", is_missing=True),
    ],
)
def test_answers_survive_the_pipe(answer: Reading | Unreadable):
    assert decode_answer(encode(answer)) == answer


def test_a_job_fits_a_command_line():
    job = Job("pdf", max_chars=100, max_pages=5)
    assert msgspec.json.decode(encode(job), type=Job) == job
    assert len(encode(job)) < 200


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"type":"other"}', b'{"type":"reading"}'])
def test_what_is_no_answer_is_refused(raw: bytes):
    with pytest.raises(msgspec.DecodeError):
        decode_answer(raw)
