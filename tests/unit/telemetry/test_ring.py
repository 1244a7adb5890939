"""The ring holds the newest lines, and `logs.tail` reads it as clients expect."""

from __future__ import annotations

import json

import pytest

from carapace.telemetry.ring import LogTail, Ring


def filled(count: int, **bounds: int) -> Ring:
    ring = Ring(**bounds)
    for number in range(count):
        ring.append(b'{"event":"e%02d"}' % number)
    return ring


def events(lines: list[str]) -> list[str]:
    return [json.loads(line)["event"] for line in lines]


LINE = len(b'{"event":"e00"}\n')


def test_the_ring_forgets_the_oldest_by_count_and_by_bytes():
    assert len(filled(9, max_lines=4).since(0)[0]) == 4
    lines, begin, end = filled(9, max_bytes=3 * LINE).since(0)
    assert [line[-4:-2] for line in lines] == [b"06", b"07", b"08"]
    assert (begin, end) == (6 * LINE, 9 * LINE)


def test_without_a_cursor_one_gets_the_end():
    got = LogTail(filled(9), "/x/log").tail(limit=2)
    assert events(got.lines) == ["e07", "e08"]
    assert (got.file, got.cursor, got.size) == ("/x/log", 9 * LINE, 9 * LINE)
    assert (got.truncated, got.reset) == (True, False)


def test_everything_that_fits_is_not_truncated():
    got = LogTail(filled(3), None).tail()
    assert events(got.lines) == ["e00", "e01", "e02"]
    assert (got.truncated, got.reset, got.file) == (False, False, "")


def test_a_cursor_goes_on_where_it_stopped():
    ring = filled(3)
    tail = LogTail(ring, None)
    cursor = tail.tail().cursor
    assert tail.tail(cursor).lines == []
    ring.append(b'{"event":"new"}')
    got = tail.tail(cursor)
    assert events(got.lines) == ["new"]
    assert (got.truncated, got.reset) == (False, False)


@pytest.mark.parametrize("cursor", [10_000, 0])
def test_a_cursor_outside_the_ring_starts_over(cursor: int):
    got = LogTail(filled(9, max_lines=2), None).tail(cursor)
    assert events(got.lines) == ["e07", "e08"]
    assert (got.truncated, got.reset) == (True, True)


def test_max_bytes_keeps_whole_newest_lines():
    got = LogTail(filled(9), None).tail(max_bytes=2 * LINE + 3)
    assert events(got.lines) == ["e07", "e08"]
    assert got.truncated


def test_bounds_outside_the_contract_are_brought_inside():
    assert len(LogTail(filled(9), None).tail(limit=0).lines) == 1
    assert LogTail(filled(9), None).tail(max_bytes=0).lines == []


def test_a_ring_may_begin_at_the_offset_of_a_file():
    ring = Ring(start=100)
    ring.append(b"{}")
    assert LogTail(ring, None).tail(100).cursor == 103


def test_lines_carry_what_stock_clients_look_for():
    ring = Ring()
    ring.append(
        b'{"time":"2026-01-01T00:00:00.000Z","level":"warning","logger":"server.hub",'
        b'"event":"slow consumer","conn":"c1","exception":"Traceback"}'
    )
    line = json.loads(LogTail(ring, None).tail().lines[0])
    assert json.loads(line["0"]) == {"subsystem": "server.hub"}
    assert line["1"] == "slow consumer conn=c1"
    assert line["_meta"]["logLevelName"] == "WARN"
    assert line["_meta"]["date"] == line["time"] == "2026-01-01T00:00:00.000Z"


def test_a_line_that_is_no_json_is_shown_as_it_is():
    ring = Ring()
    ring.append(b"plain \xff text")
    assert LogTail(ring, None).tail().lines == ["plain \N{REPLACEMENT CHARACTER} text"]
