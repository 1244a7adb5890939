"""Builders of the `agent` and `chat` events (protocol 3, section 2.4).

Plain functions from values to `Event`; who counts `seq` and when a delta is due is decided
in `carapace.agent.stream`.
"""

from __future__ import annotations

from typing import Any, Literal

from carapace.agent.types import CutRun
from carapace.protocol.agent import AgentEvent
from carapace.protocol.chat import ChatEvent, ChatMessage, ChatText, ChatUsage
from carapace.protocol.events import Event

__all__ = ["agent_event", "chat_aborted", "chat_delta", "chat_error", "chat_final", "cut_events"]

Stream = Literal["lifecycle", "assistant", "tool", "compaction", "error"]
_NO_TOKENS = ChatUsage(input=0, output=0, total_tokens=0)


def agent_event(
    run_id: str, shown_key: str, stream: Stream, *, data: dict[str, Any], seq: int, ts_ms: int
) -> Event:
    """One `agent` event."""
    return Event(
        "agent",
        AgentEvent(
            run_id=run_id, stream=stream, data=data, session_key=shown_key, seq=seq, ts=ts_ms
        ),
    )


def chat_delta(run_id: str, shown_key: str, *, seq: int, text: str, ts_ms: int) -> Event:
    """All text so far; a client that is behind may miss it, the next one repeats it."""
    return Event(
        "chat",
        ChatEvent(
            run_id=run_id,
            session_key=shown_key,
            seq=seq,
            state="delta",
            message=_message(text, ts_ms),
        ),
        drop_if_slow=True,
    )


def chat_final(
    run_id: str, shown_key: str, *, seq: int, text: str, ts_ms: int, injected: bool = False
) -> Event:
    """The whole answer; without a message if there is no text.

    Args:
        run_id: Names the run.
        shown_key: The session as the caller wrote it.
        seq: That of the run's last `agent` event; 0 for a message without a run.
        text: The last message of the assistant.
        ts_ms: Now.
        injected: Marks a text that no model wrote.
    """
    message = _message(text, ts_ms, injected=injected) if text else None
    return Event(
        "chat",
        ChatEvent(run_id=run_id, session_key=shown_key, seq=seq, state="final", message=message),
    )


def chat_aborted(run_id: str, shown_key: str, *, seq: int, reason: str) -> Event:
    """The run was stopped; `reason` is rpc, stop or timeout."""
    return Event(
        "chat",
        ChatEvent(
            run_id=run_id, session_key=shown_key, seq=seq, state="aborted", stop_reason=reason
        ),
    )


def chat_error(run_id: str, shown_key: str, *, seq: int, error: str) -> Event:
    """The run failed on our side."""
    return Event(
        "chat",
        ChatEvent(
            run_id=run_id, session_key=shown_key, seq=seq, state="error", error_message=error
        ),
    )


def cut_events(cut: CutRun, *, ts_ms: int) -> tuple[Event, Event]:
    """What a client that connects after a restart hears of a run that was cut.

    The run's own numbering died with it, so these carry 1 and stand alone.
    """
    data = {"phase": "error", "error": cut.error, "endedAt": ts_ms}
    return (
        agent_event(cut.run_id, cut.shown_key, "lifecycle", data=data, seq=1, ts_ms=ts_ms),
        chat_error(cut.run_id, cut.shown_key, seq=1, error=cut.error),
    )


def _message(text: str, ts_ms: int, *, injected: bool = False) -> ChatMessage:
    return ChatMessage(
        role="assistant",
        content=(ChatText(text=text),),
        timestamp=ts_ms,
        stop_reason="injected" if injected else None,
        usage=_NO_TOKENS if injected else None,
    )
