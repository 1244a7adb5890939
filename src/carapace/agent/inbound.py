"""`Inbound`: what waits in the inbox becomes turns, in order, and survives what interrupts them.

A batch is taken when its lane is due and free; taking writes nothing. The turn's own acceptance
counts the start, its end acknowledges the rows and puts the answer into the outbox, each in one
transaction. So a crash at any point leaves the rows waiting, and the same run begins again:

- before the acceptance: as if nothing had happened;
- between acceptance and end: the run of the same id answers the message that is in the
  transcript already. After `MAX_STARTS` such starts the message is given up, and its sender told;
- after the end: nothing is left to do here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Final

from carapace.agent import records as turn_records
from carapace.agent.delivery import GIVEN_UP_TEXT, Answer, Delivery
from carapace.agent.runs import Run
from carapace.agent.service import AgentService
from carapace.agent.types import RunOutcome, RunState, Submission
from carapace.agent.understanding.prepare import PreparedInput
from carapace.channels.commands import parse_command
from carapace.channels.envelope import body_of, envelope
from carapace.channels.inbox import records as inbox_records
from carapace.channels.inbox.batch import Batch
from carapace.channels.inbox.records import InboxRow
from carapace.channels.inbox.service import Inbox
from carapace.channels.routing import reply_route_of, route_of
from carapace.channels.types import InboundMessage, ReplyRoute
from carapace.clock import Clock
from carapace.errors import GatewayError, Refused
from carapace.ids import AgentId, RunId
from carapace.provenance import Authority, Provenance
from carapace.sessions.keys import agent_of
from carapace.sessions.send_policy import SendBlocked
from carapace.store.ports import Database, Tx
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["MAX_STARTS", "MAX_WORKING", "AuthorityNow", "Inbound", "Prepare", "Started"]

MAX_STARTS: Final = 20
MAX_WORKING: Final = 256
_RETRY_S: Final = 5.0
_MAX_RETRY_S: Final = 300.0
_DISK_PAUSE_S: Final = 1.0
_LANE_PAUSE_MS: Final = 1_000
_GIVEN_UP: Final = f"interrupted {MAX_STARTS} times while it was being answered"
_NOT_ALLOWED: Final = "its sender may not write to the assistant any more"
_TAKEN: Final = "a client had used its run id; replay it to answer it"
_log = get_logger(__name__)

Prepare = Callable[[tuple[InboundMessage, ...], Provenance, AgentId], Awaitable[PreparedInput]]
"""Makes what came with messages readable: files, speech, links. Only called for people who may
speak; never raises for what a file holds."""

AuthorityNow = Callable[[InboundMessage], Authority]
"""What a message that waited may cause by the rules of this moment."""

Started = Callable[[Run, ReplyRoute], None]
"""Hears of each run that begins, to show that somebody is writing; must not raise."""


class Inbound:
    """Takes rows, submits turns, waits for their ends.

    Args:
        inbox: Where the rows wait.
        agent: Answers them.
        delivery: For words to people whose messages are given up.
        database: For transactions over several of them.
        clock: For pauses.
        label_of: A channel's name for people.
        default_agent: Who answers in sessions that name nobody.
        authority_now: Asked again when a message's turn comes; None trusts what was decided.
        prepare: See `Prepare`; without it files are only mentioned.
        started: See `Started`.
        max_working: Batches at once.
    """

    def __init__(
        self,
        inbox: Inbox,
        agent: AgentService,
        delivery: Delivery,
        *,
        database: Database,
        clock: Clock,
        label_of: Callable[[str], str],
        default_agent: Callable[[], AgentId],
        authority_now: AuthorityNow | None = None,
        prepare: Prepare | None = None,
        started: Started | None = None,
        max_working: int = MAX_WORKING,
    ) -> None:
        self._inbox = inbox
        self._agent = agent
        self._delivery = delivery
        self._database = database
        self._clock = clock
        self._label_of = label_of
        self._default_agent = default_agent
        self._authority_now = authority_now
        self._prepare = prepare
        self._started = started
        self._max_working = max_working
        self._tasks = Tasks("inbound", _report)
        self._working: dict[str, Batch] = {}
        self._failures: dict[str, int] = {}
        self._free = asyncio.Event()
        self._is_stopping = False

    @property
    def working(self) -> int:
        """Batches that are being answered."""
        return len(self._working)

    # ---- start and stop of the house ----

    async def recover(self) -> int:
        """Put back what the last process was at; call after `AgentService.recover`.

        Returns:
            How many messages were given up because every start was interrupted.
        """
        rows = await self._database.read(lambda tx: inbox_records.started_too_often(tx, MAX_STARTS))
        runs = [(key, tuple(group)) for key, group in groupby(rows, key=lambda row: row.run_id)]
        given_up = [self._farewell(RunId(key or ""), group) for key, group in runs]

        def work(tx: Tx) -> None:
            now_ms = self._clock.now_ms()
            for answer in given_up:
                inbox_records.kill(tx, answer.inbox_ids, reason=_GIVEN_UP, now_ms=now_ms)
                turn_records.finish(tx, answer.run_id, _cut(_GIVEN_UP, now_ms))
                self._delivery.send(tx, answer, now_ms=now_ms)
            inbox_records.requeue(tx)

        await self._database.write(work)
        self._inbox.count_dead(len(rows))
        await self._inbox.load()
        for answer in given_up:
            _log.error("a message was given up", run_id=answer.run_id, why=_GIVEN_UP)
            self._delivery.notify(answer)
        return len(rows)

    def _farewell(self, run_id: RunId, rows: tuple[InboxRow, ...]) -> Answer:
        """What people read whose message is given up."""
        ids = tuple(row.inbox_id for row in rows)
        return self._last_words(run_id, rows[-1], ids, GIVEN_UP_TEXT)

    def _last_words(
        self, run_id: RunId, row: InboxRow, inbox_ids: tuple[int, ...], text: str
    ) -> Answer:
        if row.message is None:
            return Answer(
                run_id=run_id,
                inbox_ids=inbox_ids,
                reason="",
                outgoing=(),
                provenance=row.provenance,
            )
        return self._delivery.answer(
            reply_route_of(row.message, inbox_ids),
            [text],
            run_id=run_id,
            provenance=row.provenance,
            state=RunState.CUT,
            prefix="given-up-",
        )

    async def run(self) -> None:
        """Answer what comes until `stop`; the caller owns this as a task."""
        self._inbox.keep_tidy()
        while not self._is_stopping:
            room = self._max_working - len(self._working)
            if room <= 0:
                self._free.clear()
                await self._free.wait()
                continue
            try:
                batches = await self._inbox.take(room)
            except Exception as error:  # noqa: BLE001 - one bad look must not end all answering
                _log.error("the inbox cannot be read; trying again", exc_info=error)
                await self._clock.sleep(_DISK_PAUSE_S)
                continue
            for batch in batches:
                self._working[batch.run_id] = batch
                self._tasks.start(self._answer(batch), name=batch.run_id)
            if not batches:
                await self._inbox.due()

    def stop(self) -> None:
        """Take nothing new; what is being answered goes on. Call before the agent drains."""
        self._is_stopping = True
        self._inbox.wake()
        self._free.set()

    async def drain(self, deadline_s: float) -> bool:
        """Wait for what is being answered; call after the agent has drained.

        What has not ended by then waits for the next start, and this start does not count.

        Returns:
            Whether all ended by themselves.
        """
        self.stop()
        is_clean = await self._tasks.drain(deadline_s)
        left = list(self._working.values())
        await self._tasks.close()
        for batch in left:
            try:
                await self._inbox.put_back(batch)
            except GatewayError as error:
                # The next start finds the row and counts it as a start: no harm, but one less.
                _log.warning("not put back", run_id=batch.run_id, reason=error.message)
        return is_clean and not left

    # ---- one batch ----

    async def _answer(self, batch: Batch) -> None:
        """Take one batch to its end; its lane is free again afterwards, whatever happened."""
        has_ended = False
        try:
            has_ended = await self._work(batch)
        except GatewayError as error:
            _log.error("a message could not be answered yet", reason=error.message)
        finally:
            del self._working[batch.run_id]
            after_s = self._rest_s(batch.run_id, has_ended=has_ended)
            self._inbox.release(batch, ended=has_ended, after_s=after_s)
            self._free.set()

    def _rest_s(self, run_id: str, *, has_ended: bool) -> float:
        """How long a lane rests: twice as long after each failure, as each may cost money."""
        if has_ended:
            self._failures.pop(run_id, None)
            return 0.0
        failed = self._failures[run_id] = self._failures.get(run_id, 0) + 1
        return min(_RETRY_S * 2 ** (failed - 1), _MAX_RETRY_S)

    async def _work(self, batch: Batch) -> bool:
        """Answer a batch; False if it has to be tried again."""
        words = self._allowed(batch)
        if words.authority is Authority.NONE or not _may_command(batch, words):
            _log.warning("a message is dropped", run_id=batch.run_id, why=_NOT_ALLOWED)
            await self._inbox.kill(list(batch.inbox_ids), reason=_NOT_ALLOWED)
            return True
        submission = await self._submission(batch, words)
        try:
            run = await self._accepted(submission)
        except SendBlocked as blocked:
            _log.warning("a message begins no turn", run_id=batch.run_id, why=blocked.message)
            await self._inbox.kill(list(batch.inbox_ids), reason=blocked.message)
            return True
        except Refused as refused:
            await self._give_up(batch, refused.message)
            return True
        if self._started is not None and submission.reply_route is not None:
            self._started(run, submission.reply_route)
        await run.ended()
        if run.is_owed:
            await self._inbox.put_back(batch)
            return False
        if run.is_replayed:
            await self._inbox.kill(list(batch.inbox_ids), reason=_TAKEN)
        return True

    def _allowed(self, batch: Batch) -> Provenance:
        """What the batch may cause now: never more than when it came (row E14)."""
        words = batch.provenance
        if self._authority_now is not None:
            for row in batch.rows:
                if row.message is not None:
                    words = words.shrunk(self._authority_now(row.message))
        return words

    async def _accepted(self, submission: Submission) -> Run:
        """Submit; wait as long as the session or the house is full.

        Raises:
            Refused: If it will never be taken.
            Failed: If it could not be written down.
        """
        while True:
            try:
                return (await self._agent.accept(submission)).run
            except Refused as refused:
                if not refused.retryable:
                    raise
                await self._clock.sleep((refused.retry_after_ms or _LANE_PAUSE_MS) / 1000)

    async def _give_up(self, batch: Batch, why: str) -> None:
        """The agent will never take it: a dead letter, and a word to its sender."""
        _log.error("a message was given up", run_id=batch.run_id, why=why)
        answer = self._last_words(
            RunId(batch.run_id), batch.rows[-1], batch.inbox_ids, _refusal(batch, why)
        )
        now_ms = self._clock.now_ms()

        def work(tx: Tx) -> None:
            inbox_records.kill(tx, answer.inbox_ids, reason=why, now_ms=now_ms)
            self._delivery.send(tx, answer, now_ms=now_ms)

        await self._database.write(work)
        self._inbox.count_dead(len(batch.rows))
        self._delivery.notify(answer)

    # ---- what the agent reads ----

    async def _submission(self, batch: Batch, words: Provenance) -> Submission:
        messages = tuple(row.message for row in batch.rows if row.message is not None)
        last, head = messages[-1], batch.head
        agent_id = agent_of(head.session_key, default=self._default_agent())
        needs_reading = self._prepare is not None and _has_more(messages)
        if needs_reading or batch.context is not None:
            await self._inbox.begin(batch)
        prepared = PreparedInput(provenance=words)
        if self._prepare is not None and needs_reading:
            prepared = await self._prepare(messages, words, agent_id)
        command = parse_command(last.text) if head.is_command else None
        return Submission(
            run_id=RunId(batch.run_id),
            session_key=head.session_key,
            shown_key=head.session_key,
            agent_id=agent_id,
            message=last.text if command is not None else self._text(batch, messages, prepared),
            images=prepared.images,
            provenance=words,
            as_chat=True,
            command=command,
            route=route_of(last, self._label_of(last.channel)),
            reply_route=reply_route_of(last, batch.inbox_ids),
        )

    def _text(
        self, batch: Batch, messages: tuple[InboundMessage, ...], prepared: PreparedInput
    ) -> str:
        last = messages[-1]
        body = "\n".join(text for one in messages if (text := body_of(one)))
        if not body:
            return ""
        words = envelope(
            body,
            last,
            channel_label=self._label_of(last.channel),
            received_at_ms=batch.rows[-1].received_at_ms,
            context=batch.context,
        )
        return prepared.text(words)


def _may_command(batch: Batch, words: Provenance) -> bool:
    """Whether the sender of a command may still use it (row E14)."""
    message = batch.rows[-1].message
    command = parse_command(message.text) if message and batch.head.is_command else None
    is_owner = words.authority is Authority.OWNER
    return command is None or is_owner or not command.name.is_for_owners


def _has_more(messages: tuple[InboundMessage, ...]) -> bool:
    """Whether there is anything to fetch or decode."""
    return any(one.media or "://" in one.text for one in messages)


def _refusal(batch: Batch, why: str) -> str:
    """Reasons may name settings and scopes: for the owner alone."""
    if batch.provenance.authority is Authority.OWNER:
        return f"I could not take your message: {why}"
    return "I could not take your message. Please ask the owner of this assistant."


def _cut(error: str, now_ms: int) -> RunOutcome:
    return RunOutcome(
        state=RunState.CUT, status="error", summary=error, ended_at_ms=now_ms, error=error
    )


def _report(task: str, error: BaseException) -> None:
    _log.error("inbound task died", task=task, exc_info=error)
