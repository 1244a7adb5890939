from __future__ import annotations

import msgspec
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
    decode_to_worker,
    encode,
)


@pytest.mark.parametrize(
    "message",
    [
        Start("/m.gguf", 512, 2, "chatml"),
        Generate(1, (ChatMessage("user", "a\nb"),), 5, 0.0, 1, {"type": "object"}),
        Cancel(1),
    ],
)
def test_what_the_gateway_says_is_one_line_and_comes_back(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode_to_worker(line) == message


@pytest.mark.parametrize(
    "message", [Ready(5), Delta(1, "x"), Done(1, "stop", 1, 2, 3), Fault(None, "load", "no")]
)
def test_what_the_worker_says_comes_back(message):
    assert decode_from_worker(encode(message)) == message


@pytest.mark.parametrize("line", [b"", b"{}", b'{"type":"start"}', b"nonsense"])
def test_anything_else_is_an_error(line):
    for decode in (decode_to_worker, decode_from_worker):
        with pytest.raises(msgspec.DecodeError):
            decode(line)
