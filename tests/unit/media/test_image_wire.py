"""Jobs and answers survive the way, and nonsense does not."""

from __future__ import annotations

import msgspec
import pytest

from carapace.media.image_wire import (
    MAX_LINE_BYTES,
    Fault,
    Job,
    Rendered,
    decode_answer,
    decode_job,
    encode,
)


def test_messages_come_back_as_they_went():
    job = Job("PNG", 10, 320, 1000)
    assert decode_job(encode(job).decode()) == job
    for answer in (Rendered("image/png", 3, 2, 70), Fault("broken", "why")):
        line = encode(answer)
        assert decode_answer(line) == answer
        assert b"\n" not in line
        assert len(line) < MAX_LINE_BYTES


@pytest.mark.parametrize("line", [b"", b"{}", b"null", b'{"type":"other"}', b'{"type":"fault"}'])
def test_nonsense_is_no_answer(line: bytes):
    with pytest.raises(msgspec.DecodeError):
        decode_answer(line)
