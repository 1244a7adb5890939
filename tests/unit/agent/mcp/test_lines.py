"""Lines are read within bounds."""

from __future__ import annotations

from asyncio import StreamReader

import pytest

from carapace.agent.mcp import lines as module
from carapace.agent.mcp.lines import MAX_LINE_BYTES, MAX_UNASKED_LINES, Lines
from carapace.errors import Failed


def of(data: bytes) -> Lines:
    stream = StreamReader()
    stream.feed_data(data)
    stream.feed_eof()
    return Lines(stream)


async def test_lines_come_one_by_one_and_half_a_line_is_none():
    lines = of(b"one\n\ntwo\nhalf")
    assert [await lines.next() for _ in range(4)] == [b"one", b"", b"two", None]


async def test_a_line_may_be_long_but_not_endless():
    assert await of(b"x" * MAX_LINE_BYTES + b"\n").next() == b"x" * MAX_LINE_BYTES
    with pytest.raises(Failed, match="more than"):
        await of(b"x" * (MAX_LINE_BYTES + 100_000)).next()


async def test_who_never_stops_is_stopped_unless_we_asked():
    lines = of(b"{}\n" * (2 * MAX_UNASKED_LINES + 1))
    for _ in range(MAX_UNASKED_LINES):
        await lines.next()
    lines.asked()
    for _ in range(MAX_UNASKED_LINES):
        await lines.next()
    with pytest.raises(Failed, match="never stopped"):
        await lines.next()


async def test_few_but_large_lines_are_a_flood_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_UNASKED_BYTES", 10)
    lines = of(b"12345\n123456\n")
    await lines.next()
    with pytest.raises(Failed, match="never stopped"):
        await lines.next()
