"""Each line of the log follows on the one before it."""

from __future__ import annotations

import pytest

from carapace.plugins.package.transparency import (
    GENESIS,
    BrokenLog,
    Event,
    LogLine,
    head_of,
    read_log,
    write_line,
)


def chain(length: int) -> list[LogLine]:
    lines: list[LogLine] = []
    previous = GENESIS
    for number in range(1, length + 1):
        line = LogLine(
            seq=number,
            at_ms=number,
            event=Event.STAGED,
            plugin="hello",
            version="1.0.0",
            digest="ab" * 32,
            publisher=None,
            floor=None,
            by="test",
            prev=previous,
        )
        lines.append(line)
        previous = head_of(write_line(line))
    return lines


def text(lines: list[LogLine]) -> bytes:
    return b"".join(write_line(line) + b"\n" for line in lines)


def test_a_chain_is_read_as_it_was_written():
    assert read_log(text(chain(3))) == (chain(3), len(text(chain(3))))
    assert read_log(b"") == ([], 0)


def test_a_torn_last_line_is_left_out():
    data = text(chain(2))
    assert read_log(data + b'{"seq":3') == (chain(2), len(data))


@pytest.mark.parametrize("lost", [0, 1])
def test_a_line_taken_away_is_noticed(lost):
    lines = chain(3)
    del lines[lost]
    with pytest.raises(BrokenLog, match=f"line {lost + 1}"):
        read_log(text(lines))


def test_a_line_of_another_spelling_is_noticed():
    with pytest.raises(BrokenLog, match="line 1 does not follow"):
        read_log(text(chain(1)).replace(b'"seq":1', b'"seq": 1'))


@pytest.mark.parametrize("data", [b"nothing\n", b"\xff\n", b'{"seq":1}\n', b"\n"])
def test_what_is_no_line_is_noticed(data):
    with pytest.raises(BrokenLog, match="line 1 is not readable"):
        read_log(data)


def test_every_flipped_byte_but_in_the_last_newline_is_noticed():
    data = text(chain(2))
    for place in range(len(data) - 1):
        mutated = bytearray(data)
        mutated[place] ^= 1
        try:
            lines, _ = read_log(bytes(mutated))
        except BrokenLog:
            continue
        assert lines != chain(2)  # the last line has nothing after it; the lock file has
