"""From the end of a turn to the outbox: what is sent, in the transaction that ends the turn.

`plan` decides outside the transaction (rendering takes time and may fail), `finish` writes in
it: the messages that are answered leave the inbox and the answer enters the outbox together, so
that a crash leaves both or neither. `DeadNotices` tells agent and owner what never arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from carapace.agent import records
from carapace.agent.events import chat_final
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.channels.inbox import records as inbox_records
from carapace.channels.live.drafts import Drafts
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.reservation import Reservation
from carapace.channels.outbox.types import AccountKey, Cause, OutboxRow
from carapace.channels.types import Outgoing, ReplyRoute, Target
from carapace.clock import Clock
from carapace.ids import RunId
from carapace.protocol.events import Publish
from carapace.protocol.sessions import MessageUsage
from carapace.provenance import Authority, Provenance
from carapace.sessions import records as session_records
from carapace.sessions.types import StoredMessage
from carapace.store.ports import Database, Tx
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = [
    "GIVEN_UP_TEXT",
    "Answer",
    "DeadNotices",
    "Delivery",
    "Notify",
    "Render",
    "Reserve",
    "said",
]

Render = Callable[[str, Target], list[str]]
"""Text of an agent as the messages that a service takes; none if nothing is to be said."""

Notify = Callable[[AccountKey], None]
"""Tells the sender that an account has something new to send."""

Reserve = Callable[[AccountKey], Reservation | None]
"""Asks the sender for a place for what is about to be written, so that it goes out at once."""

GIVEN_UP_TEXT: Final = (
    "I tried to answer your message several times and was interrupted each time, so I gave up. "
    "Please send it again, perhaps in other words."
)
_TROUBLE: Final = (
    "Something went wrong on my side, so I cannot answer this now. Please try again later."
)
_TROUBLE_BECAUSE: Final = "I could not answer this: {error}"
_TOO_LONG: Final = "I did not finish this in time. Please ask for less at once, or try again."
_REASONS: Final = {
    RunState.DONE: "answered",
    RunState.ERROR: "answered with an error",
    RunState.TIMEOUT: "stopped at its time limit",
    RunState.ABORTED: "stopped by a person",
    RunState.CUT: "given up after several starts",
}
_log = get_logger(__name__)


class Answer(Value, frozen=True, kw_only=True):
    """What the end of one run writes beside its transcript.

    Attributes:
        run_id: The run.
        inbox_ids: Rows that are dealt with.
        reason: How, for whoever looks at the row.
        outgoing: What is sent, in order.
        provenance: Of the words that caused it.
    """

    run_id: RunId
    inbox_ids: tuple[int, ...]
    reason: str
    outgoing: tuple[Outgoing, ...]
    provenance: Provenance


class Delivery:
    """Takes the answers of runs to the outbox.

    Args:
        render: Cuts and converts text for a target.
        notify: See `Notify`.
        ttl_s: How long an answer may wait from now on, until it is too old to be sent.
        drafts: Answers that are shown while they are written; the finished ones replace them.
        reserve: See `Reserve`; without it answers wait for the sender's next step.
    """

    def __init__(
        self,
        render: Render,
        *,
        notify: Notify,
        ttl_s: Callable[[], float],
        drafts: Drafts | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        self._reserve = reserve
        self._render = render
        self._notify = notify
        self._ttl_s = ttl_s
        self._drafts = drafts

    def plan(self, asked: Submission, outcome: RunOutcome) -> Answer | None:
        """What is to be written at the end of a run; None if it answers nobody outside."""
        route = asked.reply_route
        if route is None:
            return None
        texts = said(outcome, asked.provenance.authority)
        return self.answer(
            route, texts, run_id=asked.run_id, provenance=asked.provenance, state=outcome.state
        )

    def answer(
        self,
        route: ReplyRoute,
        texts: list[str],
        *,
        run_id: RunId,
        provenance: Provenance,
        state: RunState,
        prefix: str = "",
    ) -> Answer:
        """`texts` as messages to where `route` leads; `prefix` tells further answers apart."""
        parts = [part for text in texts for part in self._rendered(text, route.target)]
        outgoing = tuple(
            Outgoing(
                target=route.target,
                idempotency_key=f"{run_id}/{prefix}{number}",
                text=part,
                reply_to=route.reply_to if number == 1 else None,
            )
            for number, part in enumerate(parts, start=1)
        )
        return Answer(
            run_id=run_id,
            inbox_ids=route.inbox_ids,
            reason=_REASONS.get(state, "answered"),
            outgoing=outgoing,
            provenance=provenance,
        )

    async def quiet(self, answer: Answer) -> None:
        """Show nothing of the run any more; to be awaited before `finish`."""
        if self._drafts is not None:
            await self._drafts.close(answer.run_id)

    def reserve(self, answer: Answer) -> Reservation | None:
        """A place for the first message of an answer, to be given to `finish` and then ended."""
        if self._reserve is None or not answer.outgoing:
            return None
        target = answer.outgoing[0].target
        return self._reserve((target.channel, target.account))

    def finish(
        self, tx: Tx, answer: Answer, *, now_ms: int, place: Reservation | None = None
    ) -> OutboxRow | None:
        """Acknowledge the inbox rows and put the answer into the outbox.

        Belongs in the transaction that writes the run's outcome; repeating it changes nothing.

        Returns:
            The row that took the `place`.
        """
        inbox_records.ack(tx, answer.inbox_ids, reason=answer.reason, now_ms=now_ms)
        if self._drafts is not None:
            outgoing = self._drafts.settle(tx, answer.run_id, answer.outgoing)
            answer = replace(answer, outgoing=outgoing)
        made = self.send(tx, answer, now_ms=now_ms)
        if place is None or not made:
            return None
        return place.take(tx, made[0], now_ms=now_ms)

    def send(self, tx: Tx, answer: Answer, *, now_ms: int) -> list[int]:
        """Put the answer into the outbox, and leave the inbox as it is; the ids of new rows."""
        made = [
            outbox_records.insert(
                tx,
                outgoing,
                provenance=answer.provenance,
                run_id=answer.run_id,
                created_at_ms=now_ms,
                expires_at_ms=now_ms + round(self._ttl_s() * 1000),
                group=answer.run_id,
            )
            for outgoing in answer.outgoing
        ]
        return [outbox_id for outbox_id in made if outbox_id is not None]

    def notify(self, answer: Answer) -> None:
        """The transaction is on disk."""
        if answer.outgoing:
            target = answer.outgoing[0].target
            self._notify((target.channel, target.account))

    def _rendered(self, text: str, target: Target) -> list[str]:
        if not text.strip():
            return []
        try:
            return self._render(text, target)
        except Exception as error:  # noqa: BLE001 - an answer that looks poor is better than none
            _log.error("answer not rendered", channel=target.channel, exc_info=error)
            return [text]


def said(outcome: RunOutcome, authority: Authority) -> list[str]:
    """What the person at the other end reads, one entry a message of the assistant.

    Why something failed is told to the owner alone: reasons name models, limits and settings.
    """
    texts = [payload.text for payload in outcome.result.payloads] if outcome.result else []
    match outcome.state:
        case RunState.DONE:
            return texts
        case RunState.TIMEOUT:
            return [_TOO_LONG]
        case RunState.ERROR:
            # A model's refusal is the last text of an outcome that has a result.
            error = texts.pop() if texts else outcome.error or outcome.summary
            is_owner = authority is Authority.OWNER
            return [*texts, _TROUBLE_BECAUSE.format(error=error) if is_owner else _TROUBLE]
        case _:
            return []


class DeadNotices:
    """Writes into a conversation that an answer never arrived.

    Args:
        database: Where transcripts are.
        clock: For times.
        publish: Shows the note to clients that watch the session.
    """

    def __init__(self, database: Database, clock: Clock, publish: Publish) -> None:
        self._database = database
        self._clock = clock
        self._publish = publish

    async def delivery_failed(self, rows: tuple[OutboxRow, ...]) -> None:
        """Note in the sessions of the runs that wrote `rows` that these were given up.

        The agent reads it in its next turn; the owner sees it in every client. Nothing happens
        for messages that no turn wrote, for later parts of an answer that died with the first,
        and a second time for the same row.

        Raises:
            Failed: If a note could not be written; call again with the same rows.
        """
        for row in rows:
            if row.run_id is not None and row.cause is not Cause.FOLLOWED:
                await self._note(row, RunId(row.run_id))

    async def _note(self, row: OutboxRow, run_id: RunId) -> None:
        text = undelivered_text(row)
        now_ms = self._clock.now_ms()
        message = StoredMessage(
            message_id=f"{run_id}/undelivered-{row.outbox_id}",
            role="assistant",
            content=({"type": "text", "text": text},),
            timestamp_ms=now_ms,
            usage=MessageUsage(input=0, output=0, total_tokens=0),
            stop_reason="injected",
        )

        def work(tx: Tx) -> str | None:
            turn = records.find(tx, run_id)
            if turn is None:
                return None
            session_records.append_message(tx, turn.session_id, message)
            return turn.shown_key

        shown_key = await self._database.write(work)
        if shown_key is not None:
            self._publish(
                chat_final(
                    message.message_id, shown_key, seq=0, text=text, ts_ms=now_ms, injected=True
                )
            )


def undelivered_text(row: OutboxRow) -> str:
    """The note for agent and owner."""
    reason = row.reason or (row.cause.value if row.cause else "it was given up")
    return (
        f"[Not delivered to {row.channel}, conversation {row.conversation}: {reason}. "
        "The person there has not seen this answer.]"
    )
