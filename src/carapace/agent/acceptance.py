"""What is written down when a message is taken, and what a row tells of a run afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.agent import records
from carapace.agent.delivery import Answer, Delivery
from carapace.agent.draft import user_message
from carapace.agent.given import write_given
from carapace.agent.history import user_message_id
from carapace.agent.opening import Opening
from carapace.agent.records import TurnRow
from carapace.agent.runs import Run
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.channels.inbox import records as inbox_records
from carapace.config.settings.session import SendPolicySettings
from carapace.errors import Refused
from carapace.ids import SessionKey
from carapace.protocol.agent import AgentMeta, AgentPayload, AgentResult, ResultMeta, TokenUsage
from carapace.protocol.sessions import MessageUsage
from carapace.sessions import records as session_records
from carapace.sessions.send_policy import require
from carapace.sessions.types import StoredMessage, Touch
from carapace.store.ports import Tx

__all__ = [
    "ReadOpening",
    "of_session",
    "reply_outcome",
    "submission_of",
    "write_message",
    "write_reply",
]

ReadOpening = Callable[[Tx, Run, str], Opening]
"""Reads what the turn of a run in the session of that id reads first."""

_NO_TOKENS: Final = TokenUsage(input=0, output=0, cache_read=0, cache_write=0, total=0)


def write_message(
    tx: Tx, run: Run, read_opening: ReadOpening | None, policy: SendPolicySettings
) -> TurnRow:
    """Write down message and turn; what is there already is left as it is.

    Args:
        tx: The one transaction.
        run: The turn.
        read_opening: If it begins at once: reads what the turn reads first.
        policy: `session.sendPolicy`.

    Raises:
        SendBlocked: If the session may not send; nothing is written then.
    """
    asked, now_ms = run.submission, run.accepted_at_ms
    inbox_records.start(tx, asked.inbox_ids, run_id=run.run_id)
    found = records.find(tx, run.run_id)
    if found is not None:
        return found
    entry = session_records.ensure(
        tx, asked.session_key, now_ms=now_ms, default_agent=asked.agent_id
    )
    require(entry, policy)
    if asked.earlier or asked.tool_results:
        run.begins_session = write_given(tx, asked, entry.session_id, now_ms)
    message_id = user_message_id(asked.run_id, as_chat=asked.as_chat, source=asked.source)
    message = user_message(message_id, asked.message, asked.images, now_ms)
    if asked.command is None and (message.content or not asked.tool_results):
        position = session_records.append_message(tx, entry.session_id, message)
        run.begins_session = run.begins_session or position == 1
    session_records.touch(tx, asked.session_key, Touch(), now_ms=now_ms)
    if asked.route is not None:
        session_records.set_route(tx, asked.session_key, asked.route, entry=entry)
    if asked.thinking is not None and asked.keeps_thinking:
        level = {"thinking_level": asked.thinking.value}
        session_records.set_fields(tx, asked.session_key, level, now_ms=now_ms)
    records.accept(tx, asked, session_id=entry.session_id, now_ms=now_ms)
    if read_opening is not None:
        run.opening = read_opening(tx, run, entry.session_id)
    return TurnRow(
        run_id=asked.run_id,
        session_key=asked.session_key,
        shown_key=asked.shown_key,
        agent_id=asked.agent_id,
        session_id=entry.session_id,
        accepted_at_ms=now_ms,
        provenance=asked.provenance,
        outcome=None,
    )


def write_reply(
    tx: Tx, run: Run, text: str, *, delivery: Delivery | None, answer: Answer | None
) -> str:
    """Write down a run that is answered without a model, and its answer; the session's id."""
    asked, now_ms = run.submission, run.accepted_at_ms
    entry = session_records.ensure(
        tx, asked.session_key, now_ms=now_ms, default_agent=asked.agent_id
    )
    message = StoredMessage(
        message_id=f"{asked.run_id}/1",
        role="assistant",
        content=({"type": "text", "text": text},),
        timestamp_ms=now_ms,
        usage=MessageUsage(input=0, output=0, total_tokens=0),
        stop_reason="injected",
    )
    run.begins_session = session_records.append_message(tx, entry.session_id, message) == 1
    records.accept(tx, asked, session_id=entry.session_id, now_ms=now_ms)
    run.session_id = entry.session_id
    records.finish(tx, asked.run_id, reply_outcome(run, text))
    if delivery is not None and answer is not None:
        delivery.finish(tx, answer, now_ms=now_ms)
    return entry.session_id


def of_session(run: Run, key: SessionKey) -> Run:
    """The run, if it belongs to `key`.

    Raises:
        Refused: If another session used its id; whose answer it is must not leak.
    """
    if run.session_key != key:
        raise Refused("this run id was used for another session; choose a new one")
    return run


def submission_of(row: TurnRow) -> Submission:
    """What is left of a submission once only its row is known."""
    return Submission(
        run_id=row.run_id,
        session_key=row.session_key,
        shown_key=row.shown_key,
        agent_id=row.agent_id,
        message="",
        provenance=row.provenance,
    )


def reply_outcome(run: Run, text: str) -> RunOutcome:
    """The outcome of a run that was answered with `text` at once."""
    meta = AgentMeta(session_id=run.session_id, provider="", model="", usage=_NO_TOKENS)
    return RunOutcome(
        state=RunState.DONE,
        status="ok",
        summary="completed",
        ended_at_ms=run.accepted_at_ms,
        started_at_ms=run.accepted_at_ms,
        result=AgentResult(
            payloads=(AgentPayload(text, None),),
            meta=ResultMeta(duration_ms=0, agent_meta=meta, aborted=False),
        ),
    )
