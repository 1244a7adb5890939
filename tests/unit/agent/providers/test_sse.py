"""Server-sent events are cut at blank lines, however the bytes arrive."""

from __future__ import annotations

import pytest

from carapace.agent.providers.sse import MAX_EVENT_BYTES, SseDecoder, SseEvent, SseTooLargeError


def test_events_come_out_whole_with_their_names() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"event: start\nda") == []
    assert decoder.feed(b"ta: 1\n\ndata:2\n\n") == [SseEvent("start", b"1"), SseEvent("", b"2")]


def test_crlf_comments_and_unknown_fields_are_passed_over() -> None:
    decoder = SseDecoder()
    found = decoder.feed(b": ping\r\n\r\nid: 7\r\nretry: 1\r\ndata: x\r\n\r\n")
    assert found == [SseEvent("", b"x")]


def test_several_data_lines_are_one_event() -> None:
    assert SseDecoder().feed(b"data: a\ndata: b\n\n") == [SseEvent("", b"a\nb")]


def test_an_event_without_its_blank_line_never_comes() -> None:
    assert SseDecoder().feed(b"data: half\n") == []


@pytest.mark.parametrize("line_end", [b"", b"\n"])
def test_an_endless_event_is_refused(line_end: bytes) -> None:
    decoder = SseDecoder()
    piece = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + line_end
    with pytest.raises(SseTooLargeError):  # noqa: PT012 - which call goes too far is the limit's business
        for _ in range(3):
            decoder.feed(piece)
