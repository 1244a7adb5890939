"""A run's voice: numbers its events and decides which deltas a chat sees.

A machine without I/O: text and time in, events out. Rules, all from the recorded runs:

- `agent` events count from 1 within the run; a tool event that nobody sees still counts.
- An assistant event carries the text of the current message so far and the new part, both
  without white space at the end: what is held back comes with the next word.
- A `chat` delta repeats the text so far, at once for the first and then at most every
  150 ms; it carries the number of the `agent` event it goes with.
- Once stopped, a run says one thing more (`aborted`) and then nothing.
"""

from __future__ import annotations

from typing import Any, Final

from carapace.agent.events import (
    agent_event,
    chat_aborted,
    chat_delta,
    chat_error,
    chat_final,
)
from carapace.agent.types import StopReason
from carapace.protocol.events import Event

__all__ = ["DELTA_INTERVAL_MS", "ReplyStream"]

DELTA_INTERVAL_MS: Final = 150


class ReplyStream:
    """The events of one run, in order.

    Args:
        run_id: Names the run.
        shown_key: The session as the caller wrote it.
        is_quiet: No chat is shown of it: its `agent` events alone are told.
    """

    __slots__ = (
        "_delta_at_ms",
        "_is_over",
        "_is_quiet",
        "_run_id",
        "_shown_key",
        "_told",
        "seq",
        "text",
    )

    def __init__(self, run_id: str, shown_key: str, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._run_id = run_id
        self._shown_key = shown_key
        self._delta_at_ms: int | None = None
        self._is_over = False
        self._told = 0
        self.seq = 0
        self.text = ""

    def start(self, now_ms: int) -> tuple[Event, ...]:
        """The turn left its queue."""
        return self._agent("lifecycle", {"phase": "start", "startedAt": now_ms}, now_ms)

    def delta(self, more: str, now_ms: int) -> tuple[Event, ...]:
        """The model said `more`; nothing is told of white space alone."""
        self.text += more
        text = self.text.rstrip()
        new = text[self._told :]
        if not new:
            return ()
        self._told = len(text)
        said = self._agent("assistant", {"text": text, "delta": new}, now_ms)
        if not said or self._is_quiet or not self._is_due(now_ms):
            return said
        self._delta_at_ms = now_ms
        shown = chat_delta(self._run_id, self._shown_key, seq=self.seq, text=text, ts_ms=now_ms)
        return (*said, shown)

    def next_message(self) -> None:
        """The next delta begins another message of the same run."""
        self.text = ""
        self._told = 0

    def tool(self, data: dict[str, Any], now_ms: int, *, is_shown: bool) -> tuple[Event, ...]:
        """A tool began or ended; counted even if it is not shown."""
        events = self._agent("tool", data, now_ms)
        return events if is_shown else ()

    def compaction(self, phase: str, now_ms: int) -> tuple[Event, ...]:
        """The history is being summarised (`start`) or was (`end`)."""
        data: dict[str, Any] = {"phase": phase}
        if phase == "end":
            data["willRetry"] = False
        return self._agent("compaction", data, now_ms)

    def end(self, now_ms: int) -> tuple[Event, ...]:
        """The run ended by itself; without text, the chat's final has no message."""
        events = self._agent("lifecycle", {"phase": "end", "endedAt": now_ms}, now_ms)
        if not events:
            return ()
        self._is_over = True
        if self._is_quiet:
            return events
        final = chat_final(
            self._run_id, self._shown_key, seq=self.seq, text=self.text, ts_ms=now_ms
        )
        return (*events, final)

    def fail(self, error: str, now_ms: int) -> tuple[Event, ...]:
        """The run failed on our side."""
        data = {"phase": "error", "error": error, "endedAt": now_ms}
        events = self._agent("lifecycle", data, now_ms)
        if not events:
            return ()
        self._is_over = True
        if self._is_quiet:
            return events
        return (*events, chat_error(self._run_id, self._shown_key, seq=self.seq, error=error))

    def abort(self, reason: StopReason) -> tuple[Event, ...]:
        """The run was stopped; the recorded gateway sends no lifecycle event then."""
        if self._is_over:
            return ()
        self._is_over = True
        self.seq += 1
        if self._is_quiet:
            return ()
        return (chat_aborted(self._run_id, self._shown_key, seq=self.seq, reason=reason),)

    def _is_due(self, now_ms: int) -> bool:
        return self._delta_at_ms is None or now_ms - self._delta_at_ms >= DELTA_INTERVAL_MS

    def _agent(self, stream: Any, data: dict[str, Any], now_ms: int) -> tuple[Event, ...]:
        if self._is_over:
            return ()
        self.seq += 1
        event = agent_event(
            self._run_id, self._shown_key, stream, data=data, seq=self.seq, ts_ms=now_ms
        )
        return (event,)
