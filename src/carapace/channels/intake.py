"""`IntakeService`: the one way in for everything that happens on a chat service.

In this order: the authoriser decides, before anything is fetched, answered or written. Then one
transaction writes down what follows from it, and only then the service gets its receipt. What
that is depends on the verdict:

- a message for the agent waits in the inbox;
- `/stop`, `/approve` and `/reject` are done at once and answered through the outbox;
- what was said in a group to others is kept as context, a bounded number of lines;
- a stranger is told once how to be let in;
- anything else leaves no trace but a number in the metrics.

An edit or a deletion reaches a message that still waits; later it is context, or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from carapace.channels.access.pairing_command import answer as settle_request
from carapace.channels.access.records import PairingRequest
from carapace.channels.access.types import Approved, Approver, PairingReply
from carapace.channels.accounts.settings import account_settings, branches
from carapace.channels.commands import CommandName
from carapace.channels.inbox import pending
from carapace.channels.inbox import records as inbox_records
from carapace.channels.inbox.records import NewRow
from carapace.channels.inbox.service import Inbox
from carapace.channels.outbox import records as outbox_records
from carapace.channels.outbox.service import Outbox
from carapace.channels.policy import Accept, Ask, Buffer, Drop, PolicyFacts, Verdict, decide
from carapace.channels.routing import (
    RoutingRules,
    lane_of,
    reply_route_of,
    session_key_of,
)
from carapace.channels.types import (
    EventKind,
    InboundMessage,
    Outgoing,
    Receipt,
    ReceiptStatus,
)
from carapace.clock import Clock
from carapace.config.settings.channels import ChannelsSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.ids import SessionKey
from carapace.provenance import Authority, Origin, Provenance
from carapace.store.ports import Database, Tx
from carapace.value import Value

__all__ = [
    "MAX_FILES",
    "MAX_QUOTE_CHARS",
    "MAX_TEXT_CHARS",
    "Gate",
    "IntakeService",
    "IntakeSettings",
    "KeepMedia",
    "OnReceived",
    "SettleApproval",
    "StopRuns",
]

MAX_TEXT_CHARS: Final = 100_000
MAX_QUOTE_CHARS: Final = 4_000
MAX_FILES: Final = 32
_CUT: Final = "\n[the rest was left out: too long]"
_AT_ONCE: Final = frozenset({CommandName.STOP, CommandName.APPROVE, CommandName.REJECT})
_FOR_TURNS: Final = frozenset({EventKind.MESSAGE, EventKind.CALLBACK})
_STOPPED: Final = "Stopped."
_NOTHING_RAN: Final = "There was nothing to stop."
_STRANGER: Final = Provenance(origin=Origin.CHANNEL, authority=Authority.NONE)
_ENCODE: Final = msgspec.json.Encoder().encode

StopRuns = Callable[[SessionKey], Awaitable[int]]
"""Ends what runs and waits in a session; how many runs that were."""

SettleApproval = Callable[[str, Provenance], str | None]
"""Takes what follows `/approve`; what to answer, or None if it decides on no use of a tool."""

OnReceived = Callable[[InboundMessage, Provenance], None]
"""Hears of every message that was accepted and is new; must not raise."""

KeepMedia = Callable[[Tx, str, str], object]
"""Notes in the transaction that a file (media id) is needed by an owner (text)."""


class Gate(Protocol):
    """Who may speak: `AccessService`."""

    def judge(self, message: InboundMessage) -> Verdict:
        """The verdict on a message."""
        ...

    def facts(self, message: InboundMessage) -> PolicyFacts:
        """What the verdict rests on."""
        ...

    def request(self, tx: Tx, message: InboundMessage) -> PairingReply:
        """Write down that a stranger asks to be let in."""
        ...

    async def requested(self, message: InboundMessage, reply: PairingReply) -> None:
        """That is on disk."""
        ...

    async def approve(self, channel: str | None, code: str, approver: Approver) -> Approved:
        """Let in who was told a code."""
        ...

    async def reject(self, channel: str | None, code: str, approver: Approver) -> PairingRequest:
        """Forget the request with a code."""
        ...


class IntakeSettings(Value, frozen=True, kw_only=True):
    """What the configuration says about messages that come in."""

    routing: RoutingRules = msgspec.field(default_factory=RoutingRules)
    channels: ChannelsSettings = msgspec.field(default_factory=ChannelsSettings)
    messages: MessagesSettings = msgspec.field(default_factory=MessagesSettings)

    def debounce_s(self, channel: str) -> float:
        """How long to wait for further text of the same person."""
        inbound = self.messages.inbound
        return inbound.by_channel.get(channel, inbound.debounce_ms) / 1000

    def history_limit(self, channel: str, account: str) -> int:
        """How many lines of context a conversation keeps."""
        branch = branches(self.channels).get(channel)
        found = branch and account_settings(self.channels.defaults, branch, account)
        limit = found.history_limit if found else None
        return self.messages.group_chat.history_limit if limit is None else limit


class IntakeService:
    """Satisfies `carapace.channels.ports.Intake`.

    Args:
        gate: Who may speak.
        inbox: Takes messages for the agent.
        outbox: Takes answers that need no agent.
        database: For transactions over several of them.
        clock: For times.
        settings: See `IntakeSettings`.
        stop_runs: For `/stop`.
        settle_approval: For `/approve` with the id of a question of the assistant.
        on_received: See `OnReceived`.
        keep_media: See `KeepMedia`.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        inbox: Inbox,
        outbox: Outbox,
        database: Database,
        clock: Clock,
        settings: IntakeSettings,
        stop_runs: StopRuns,
        settle_approval: SettleApproval | None = None,
        on_received: OnReceived | None = None,
        keep_media: KeepMedia | None = None,
    ) -> None:
        self._gate = gate
        self._inbox = inbox
        self._outbox = outbox
        self._database = database
        self._clock = clock
        self._settings = settings
        self._stop_runs = stop_runs
        self._settle_approval = settle_approval
        self._on_received = on_received
        self._keep_media = keep_media

    def apply(self, settings: IntakeSettings) -> None:
        """Take new settings; messages that wait keep their session."""
        self._settings = settings

    async def receive(self, message: InboundMessage) -> Receipt:
        """Decide about a message and write it down; see `carapace.channels.ports.Intake`."""
        try:
            return await self._decided(message)
        except UnicodeEncodeError:
            # Half a surrogate pair: no text that could be kept, and no id that could be compared.
            return Receipt(status=ReceiptStatus.DROPPED, reason="not-unicode")

    async def _decided(self, message: InboundMessage) -> Receipt:
        message = _bounded(message)
        verdict = self._gate.judge(message)
        if isinstance(verdict, Ask):
            reply = await self._ask(message)
            if not reply.is_allowed:
                reason = "told how to be let in" if reply.created else "told before"
                return Receipt(status=ReceiptStatus.ASKED, reason=reason)
            verdict = self._gate.judge(message)
        match verdict:
            case Accept():
                return await self._accepted(verdict)
            case Buffer():
                return await self._keep(verdict.message, verdict.provenance)
            case Drop(reason):
                return Receipt(status=ReceiptStatus.DROPPED, reason=str(reason))
            case Ask():
                return Receipt(status=ReceiptStatus.ASKED, reason="told before")

    def authority_now(self, message: InboundMessage) -> Authority:
        """What a message that waited may cause by the rules of this moment; NONE for nothing."""
        verdict = decide(message, self._gate.facts(message), now_ms=self._clock.now_ms())
        if isinstance(verdict, Accept | Buffer):
            return verdict.provenance.authority
        return Authority.NONE

    async def greet(self, approved: Approved) -> None:
        """Tell somebody, where they asked, that they were let in.

        Raises:
            Failed: If it could not be written down.
        """
        sender = approved.sender
        key = _digest(
            "approved", sender.channel, sender.account, sender.sender_id, str(sender.approved_at_ms)
        )
        await self._outbox.put(
            Outgoing(target=approved.target, idempotency_key=key, text=approved.note),
            provenance=_STRANGER,
        )

    # ---- strangers and bystanders ----

    async def _ask(self, message: InboundMessage) -> PairingReply:
        def work(tx: Tx) -> PairingReply:
            reply = self._gate.request(tx, message)
            if reply.created:
                inbox_records.remember(tx, self._new(message, _STRANGER), reason="asked")
                self._answer(tx, message, reply.text, _STRANGER)
            return reply

        reply = await self._database.write(work)
        await self._gate.requested(message, reply)
        if reply.created:
            self._outbox.notify((message.channel, message.account))
        return reply

    async def _keep(self, message: InboundMessage, words: Provenance) -> Receipt:
        """Keep a message as context for the next one that means us."""
        new, limit = self._new(message, words), self._history_limit(message)
        if limit == 0:
            return Receipt(status=ReceiptStatus.DROPPED, reason="no context is kept here")

        def work(tx: Tx) -> int | None:
            inbox_id = inbox_records.remember(tx, new, reason="kept as context")
            if inbox_id is not None:
                self._add_context(tx, new, limit)
            return inbox_id

        return _receipt(await self._database.write(work), ReceiptStatus.BUFFERED)

    def _add_context(self, tx: Tx, new: NewRow, limit: int) -> None:
        authority, now_ms = new.provenance.authority, new.received_at_ms
        pending.add(tx, new.lane, new.message, authority, now_ms=now_ms, limit=limit)

    # ---- people who may speak ----

    async def _accepted(self, verdict: Accept) -> Receipt:
        message, words, command = verdict.message, verdict.provenance, verdict.command
        if message.kind not in _FOR_TURNS:
            return await self._changed(message, words)
        if command is not None and command.name in _AT_ONCE:
            return await self._obey(verdict)
        settings = self._settings
        may_join = message.kind is EventKind.MESSAGE and message.text.strip() and not message.media
        wait_s = settings.debounce_s(message.channel) if may_join and command is None else 0.0
        new = self._new(
            message, words, wait_s=wait_s, is_joinable=wait_s > 0, is_command=command is not None
        )
        inbox_id = await self._inbox.put(new, wait_s=wait_s, also=self._media_of(message))
        if inbox_id is not None and self._on_received is not None:
            self._on_received(message, words)
        return _receipt(inbox_id, ReceiptStatus.ACCEPTED)

    def _media_of(self, message: InboundMessage) -> Callable[[Tx, int], None] | None:
        keep = self._keep_media
        ids = [item.media_id for item in message.media if item.media_id is not None]
        if keep is None or not ids:
            return None

        def note(tx: Tx, inbox_id: int) -> None:
            for media_id in ids:
                keep(tx, media_id, f"inbox-{inbox_id}")

        return note

    async def _obey(self, verdict: Accept) -> Receipt:
        """Do a command that waits for no turn, and answer it.

        Should the process die in between, the service hands it in again: stopping twice and
        settling a request twice change nothing, and the second answer says so.
        """
        message, words = verdict.message, verdict.provenance
        new = self._new(message, words, is_command=True)
        if await self._database.read(lambda tx: _is_known(tx, message)):
            return Receipt(status=ReceiptStatus.DUPLICATE)
        text, is_stop = await self._do(verdict, new)

        def work(tx: Tx) -> int | None:
            inbox_id = inbox_records.remember(tx, new, reason="a command that was done")
            if inbox_id is not None:
                self._answer(tx, message, text, words)
                if is_stop:
                    inbox_records.stop_waiting(tx, new.lane, inbox_id, now_ms=new.received_at_ms)
            return inbox_id

        inbox_id = await self._database.write(work)
        self._outbox.notify((message.channel, message.account))
        return _receipt(inbox_id, ReceiptStatus.HANDLED)

    async def _do(self, verdict: Accept, new: NewRow) -> tuple[str, bool]:
        """The answer, and whether messages that wait are stopped as well."""
        command = verdict.command
        if command is None or command.name is CommandName.STOP:
            ended = await self._stop_runs(new.session_key)
            waiting = self._inbox.has_waiting(new.lane)
            return (_STOPPED if ended or waiting else _NOTHING_RAN), True
        if command.name is CommandName.APPROVE and self._settle_approval is not None:
            decided = self._settle_approval(command.rest, verdict.provenance)
            if decided is not None:
                return decided, False
        settled = await settle_request(self._gate, command, verdict.provenance)
        if settled.approved is not None:
            await self.greet(settled.approved)
        return settled.text, False

    async def _changed(self, message: InboundMessage, words: Provenance) -> Receipt:
        """An edit, a deletion, a reaction: it changes what waits, or is context."""
        new, limit = self._new(message, words), self._history_limit(message)

        def work(tx: Tx) -> ReceiptStatus:
            if inbox_records.remember(tx, new, reason=f"a {message.kind.value}") is None:
                return ReceiptStatus.DUPLICATE
            now_ms = new.received_at_ms
            if message.kind is EventKind.EDIT and inbox_records.revise(tx, message, new.lane):
                return ReceiptStatus.HANDLED
            if message.kind is EventKind.DELETE:
                found = inbox_records.withdraw(tx, message, new.lane, now_ms=now_ms)
                return ReceiptStatus.HANDLED if found else ReceiptStatus.DROPPED
            if limit == 0:
                return ReceiptStatus.DROPPED
            self._add_context(tx, new, limit)
            return ReceiptStatus.BUFFERED

        return Receipt(status=await self._database.write(work))

    # ---- parts ----

    def _new(
        self,
        message: InboundMessage,
        words: Provenance,
        *,
        wait_s: float = 0.0,
        is_joinable: bool = False,
        is_command: bool = False,
    ) -> NewRow:
        now_ms = self._clock.now_ms()
        return NewRow(
            message=message,
            provenance=words,
            lane=lane_of(message),
            session_key=session_key_of(message, words, self._settings.routing),
            received_at_ms=now_ms,
            due_at_ms=now_ms + round(wait_s * 1000),
            is_joinable=is_joinable,
            is_command=is_command,
        )

    def _history_limit(self, message: InboundMessage) -> int:
        return self._settings.history_limit(message.channel, message.account)

    def _answer(self, tx: Tx, message: InboundMessage, text: str, words: Provenance) -> None:
        now_ms = self._clock.now_ms()
        route = reply_route_of(message)
        key = _digest("reply", message.channel, message.account, message.message_id)
        outbox_records.insert(
            tx,
            Outgoing(target=route.target, idempotency_key=key, text=text, reply_to=route.reply_to),
            provenance=words,
            run_id=None,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + round(1000 * self._outbox.ttl_s),
        )


def _bounded(message: InboundMessage) -> InboundMessage:
    """A message no larger than an inbox should keep; nearly always the same one."""
    quote = message.quote
    if quote is not None and quote.text is not None and len(quote.text) > MAX_QUOTE_CHARS:
        message = replace(message, quote=replace(quote, text=quote.text[:MAX_QUOTE_CHARS]))
    if len(message.media) > MAX_FILES:
        message = replace(message, media=message.media[:MAX_FILES])
    if len(message.text) > MAX_TEXT_CHARS:
        message = replace(message, text=message.text[:MAX_TEXT_CHARS] + _CUT)
    return message


def _is_known(tx: Tx, message: InboundMessage) -> bool:
    return inbox_records.is_known(tx, message.channel, message.account, message.message_id)


def _receipt(inbox_id: int | None, status: ReceiptStatus) -> Receipt:
    if inbox_id is None:
        return Receipt(status=ReceiptStatus.DUPLICATE)
    return Receipt(status=status, inbox_id=inbox_id)


def _digest(kind: str, *parts: str) -> str:
    """An idempotency key from ids that may hold anything; fit for a header."""
    return f"{kind}-{hashlib.sha256(_ENCODE(parts)).hexdigest()[:32]}"
