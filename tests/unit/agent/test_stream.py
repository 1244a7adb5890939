"""A run's voice: numbering and the pace of deltas."""

from __future__ import annotations

from typing import Any

import msgspec

from carapace.agent.stream import ReplyStream
from carapace.agent.types import StopReason
from carapace.protocol.events import Event


def told(events: tuple[Event, ...]) -> list[tuple[str, int, str]]:
    """Kind, number and state or stream of each event."""
    out: list[tuple[str, int, str]] = []
    for event in events:
        data: Any = msgspec.to_builtins(event.payload)
        out.append((event.name, data["seq"], data.get("state") or data["stream"]))
    return out


def test_a_plain_run_says_what_the_recorded_one_said():
    voice = ReplyStream("r", "main")
    said = [
        *told(voice.start(0)),
        *told(voice.delta("Echo:", 10)),
        *told(voice.delta(" hello", 11)),
        *told(voice.delta(" golden", 12)),
        *told(voice.end(13)),
    ]
    assert said == [
        ("agent", 1, "lifecycle"),
        ("agent", 2, "assistant"),
        ("chat", 2, "delta"),
        ("agent", 3, "assistant"),
        ("agent", 4, "assistant"),
        ("agent", 5, "lifecycle"),
        ("chat", 5, "final"),
    ]


def test_chat_deltas_keep_150_ms_apart_and_repeat_the_text_so_far():
    voice = ReplyStream("r", "main")
    shown = [len(voice.delta("x", at)) - 1 for at in (0, 149, 150, 299, 300)]
    assert shown == [1, 0, 1, 0, 1]
    last: Any = voice.delta("y", 450)[1].payload
    assert last.message.content[0].text == "xxxxxy"


def test_hidden_tools_count_all_the_same():
    voice = ReplyStream("r", "main")
    voice.start(0)
    assert voice.tool({"phase": "start"}, 1, is_shown=False) == ()
    assert told(voice.tool({"phase": "result"}, 2, is_shown=True)) == [("agent", 3, "tool")]


def test_another_message_begins_with_empty_text():
    voice = ReplyStream("r", "main")
    voice.delta("first", 0)
    voice.next_message()
    said: Any = voice.delta("second", 500)[0].payload
    assert said.data == {"text": "second", "delta": "second"}


def test_an_aborted_run_says_so_once_and_then_nothing():
    voice = ReplyStream("r", "main")
    voice.start(0)
    voice.delta("w0", 1)
    assert told(voice.abort(StopReason.RPC)) == [("chat", 3, "aborted")]
    assert voice.abort(StopReason.STOP) == ()
    assert voice.delta("more", 2) == ()
    assert voice.tool({}, 2, is_shown=True) == ()
    assert voice.end(3) == ()
    assert voice.fail("x", 3) == ()


def test_a_failure_is_told_to_both_kinds_of_watcher():
    voice = ReplyStream("r", "main")
    assert told(voice.fail("broken", 1)) == [("agent", 1, "lifecycle"), ("chat", 1, "error")]


def test_a_provider_error_ends_without_a_message():
    voice = ReplyStream("r", "main")
    voice.start(0)
    final: Any = voice.end(1)[1].payload
    assert (final.seq, final.state, final.message) == (2, "final", None)


def test_compaction_names_its_phases():
    voice = ReplyStream("r", "main")
    start: Any = voice.compaction("start", 0)[0].payload
    end: Any = voice.compaction("end", 1)[0].payload
    assert (start.stream, start.data) == ("compaction", {"phase": "start"})
    assert end.data == {"phase": "end", "willRetry": False}


def test_a_quiet_run_shows_no_chat():
    voice = ReplyStream("r", "main", is_quiet=True)
    said = [
        *told(voice.start(0)),
        *told(voice.delta("HEARTBEAT_OK", 10)),
        *told(voice.end(11)),
    ]
    assert said == [
        ("agent", 1, "lifecycle"),
        ("agent", 2, "assistant"),
        ("agent", 3, "lifecycle"),
    ]
    failed = ReplyStream("r", "main", is_quiet=True)
    assert told(failed.fail("broken", 1)) == [("agent", 1, "lifecycle")]
    assert ReplyStream("r", "main", is_quiet=True).abort(StopReason.STOP) == ()
