"""People on chat services: whom the settings and the owner let in, and who asks for it.

The rows of those let in are held in memory as well, so that deciding about a message needs no
database. They are read at start and changed with each approval; the settings come with `apply`.
One `approve` serves the command line, clients and `/approve` in a chat alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from carapace.auth.compare import same_text
from carapace.auth.limiter import FailureLimiter, LimitRules, Locked
from carapace.channels.access import records
from carapace.channels.access.pairing_code import new_code, normal_code
from carapace.channels.access.pairing_texts import asked_text
from carapace.channels.access.records import AllowedSender, PairingRequest
from carapace.channels.access.refusals import Refusals
from carapace.channels.access.sent_ids import SentIds, SentMessage, sent_since
from carapace.channels.access.types import AccessSettings, Approved, Approver, PairingReply
from carapace.channels.access.warnings import access_warnings
from carapace.channels.accounts.settings import account_settings
from carapace.channels.mentions import MentionPatterns
from carapace.channels.policy import (
    IMPLICIT_MENTION_MS,
    Accept,
    Ask,
    Buffer,
    Drop,
    DropReason,
    PolicyFacts,
    Verdict,
    decide,
)
from carapace.channels.rules import AccountRules, owners_of, rules_of
from carapace.channels.types import InboundMessage, Target
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.provenance import Authority
from carapace.store.ports import Database, Tx
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics

__all__ = ["MAX_WAITING", "REQUEST_TTL_MS", "AccessService"]

_log = get_logger(__name__)

REQUEST_TTL_MS: Final = 3_600_000
MAX_WAITING: Final = 3
"""Strangers who may wait at one account at a time."""

_MAX_NAME: Final = 256
_GUESSES: Final = LimitRules(max_failures=10, max_failures_everywhere=30, trusted_for_s=0.0)

_Place = tuple[str, str]


class AccessService:
    """Knows everybody.

    Args:
        database: Where people are.
        clock: For ages.
        audit: Hears of requests, decisions and refused senders.
        metrics: Counts verdicts.
        make_code: Draws a code.
        activation: See `PolicyFacts.activation`.

    Attributes:
        warnings: What in the present settings has no effect, or a surprising one.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
        make_code: Callable[[], str] = new_code,
        activation: Callable[[InboundMessage], str | None] = lambda _message: None,
    ) -> None:
        self._activation = activation
        self._database = database
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._make_code = make_code
        self._settings = AccessSettings(channels={})
        self._rules: dict[_Place, AccountRules] = {}
        self._owners: dict[str, frozenset[str]] = {}
        self._mentions = MentionPatterns()
        self._paired: dict[_Place, frozenset[str]] = {}
        self._refusals = Refusals()
        self._guesses = FailureLimiter(_GUESSES)
        # What is held follows on what was written, in this order and no other.
        self._deciding = asyncio.Lock()
        self._sent = SentIds()
        self.warnings: tuple[str, ...] = ()

    async def load(self) -> None:
        """Read who was let in and what we sent; before the first message, and to re-read."""
        since_ms = self._clock.now_ms() - IMPLICIT_MENTION_MS

        def read(tx: Tx) -> tuple[list[AllowedSender], list[SentMessage]]:
            return records.list_allowed(tx), sent_since(tx, since_ms)

        async with self._deciding:
            everybody, sent = await self._database.read(read)
            self._hold(everybody)
        for one in sent:
            self._sent.note(one.target, one.message_id, now_ms=one.sent_at_ms)

    def delivered(self, target: Target, message_id: str) -> None:
        """A service has something of ours: answers to it are meant for us."""
        self._sent.note(target, message_id, now_ms=self._clock.now_ms())

    def apply(self, settings: AccessSettings) -> None:
        """Use other settings from now on."""
        self._settings = settings
        self._mentions = MentionPatterns(settings.messages.group_chat.mention_patterns)
        self._rules.clear()
        self._owners.clear()
        before, self.warnings = self.warnings, access_warnings(settings, self._mentions)
        for text in self.warnings:
            if text not in before:
                _log.warning(text)

    # deciding

    def facts(self, message: InboundMessage) -> PolicyFacts:
        """All that the authoriser has to know; costs no I/O."""
        place = (message.channel, message.account)
        return PolicyFacts(
            rules=self._rules_of(place),
            paired=self._paired.get(place, frozenset()),
            owners=self._owners_of(message.channel),
            our_messages=self._sent.of(*place, message.conversation.id),
            mentions=self._mentions,
            activation=self._activation(message),
            takes_commands=self._settings.commands.text,
            uses_access_groups=self._settings.commands.use_access_groups,
        )

    def judge(self, message: InboundMessage) -> Verdict:
        """The verdict on `message`, counted; refused people leave a line in the trail."""
        now_ms = self._clock.now_ms()
        verdict = decide(message, self.facts(message), now_ms=now_ms)
        self._metrics.inbound_decisions.labels(_label(verdict)).inc()
        if isinstance(verdict, Drop) and verdict.reason is not DropReason.NOT_MEANT:
            left_out = self._refusals.tell(message, now_ms=now_ms)
            if left_out is not None:
                self._audit.record(
                    AuditKind.SENDER_REFUSED,
                    channel=message.channel,
                    account=message.account,
                    sender=message.sender.id[:_MAX_NAME],
                    reason=str(verdict.reason),
                    event=str(message.kind),
                    left_out=left_out,
                )
        return verdict

    def _rules_of(self, place: _Place) -> AccountRules:
        rules = self._rules.get(place)
        if rules is not None:
            return rules
        branch = self._settings.channels.get(place[0])
        if branch is None:
            return rules_of(None)
        found = account_settings(self._settings.defaults, branch, place[1])
        rules = rules_of(found)
        if found is not None:  # only what the settings name, so a channel cannot fill this
            self._rules[place] = rules
        return rules

    def _owners_of(self, channel: str) -> frozenset[str]:
        owners = self._owners.get(channel)
        if owners is None:
            owners = owners_of(self._settings.commands.owner_allow_from, channel)
            if channel in self._settings.channels:
                self._owners[channel] = owners
        return owners

    # strangers

    def request(self, tx: Tx, message: InboundMessage) -> PairingReply:
        """Write down that the sender of `message` asks; part of the caller's transaction.

        The same sender gets the same code for an hour, and is told it once. Call `requested`
        with the reply when the transaction is on disk.
        """
        now_ms = self._clock.now_ms()
        place = (message.channel, message.account)
        records.delete_expired(tx, now_ms=now_ms)
        if records.is_allowed(tx, *place, message.sender.id):
            return PairingReply(code=None, created=False, is_allowed=True)
        waiting = records.request_of(tx, *place, message.sender.id)
        if waiting is not None:
            text = asked_text(*place, waiting.sender_id, waiting.code)
            return PairingReply(code=waiting.code, created=False, text=text)
        if records.count_waiting(tx, *place) >= MAX_WAITING:
            return PairingReply(code=None, created=False)
        request = _request_of(message, self._free_code(tx), now_ms)
        records.save_request(tx, request)
        text = asked_text(*place, request.sender_id, request.code)
        return PairingReply(code=request.code, created=True, text=text)

    async def requested(self, message: InboundMessage, reply: PairingReply) -> None:
        """What `request` did is on disk: a line in the trail if it is new."""
        if reply.is_allowed:
            await self.load()
        if reply.created:
            self._audit.record(
                AuditKind.CHANNEL_PAIRING_REQUESTED,
                channel=message.channel,
                account=message.account,
                sender=message.sender.id[:_MAX_NAME],
            )

    def _free_code(self, tx: Tx) -> str:
        code = self._make_code()
        while records.has_code(tx, code):
            code = self._make_code()
        return code

    async def pending(self, channel: str | None = None) -> list[PairingRequest]:
        """Who waits, oldest first."""
        now_ms = self._clock.now_ms()
        return await self._database.read(
            lambda tx: records.list_waiting(tx, channel, now_ms=now_ms)
        )

    async def allowed(self, channel: str | None = None) -> list[AllowedSender]:
        """Who was let in by a code, latest first; not whom the settings name."""
        everybody = await self._database.read(records.list_allowed)
        return [one for one in everybody if channel is None or one.channel == channel]

    # decisions of the owner

    async def approve(
        self, channel: str | None, code: str, approver: Approver, *, account: str | None = None
    ) -> Approved:
        """Let in who was told `code`.

        Args:
            channel: Where they asked; None looks everywhere.
            code: As somebody typed it.
            approver: Who decides; has to be the owner.
            account: Only at this account of ours.

        Raises:
            Refused: If the approver may not, the code is wrong, used up or expired, or too many
                wrong ones were tried.
        """

        def let_in(tx: Tx, request: PairingRequest) -> list[AllowedSender]:
            records.allow(tx, _allowed(request, approver, self._clock.now_ms()))
            return records.list_allowed(tx)

        async with self._deciding:
            request, everybody = await self._settle(channel, account, code, approver, let_in)
            self._hold(everybody)
        self._record(AuditKind.CHANNEL_PAIRING_APPROVED, request, approver)
        return Approved(
            sender=_allowed(request, approver, self._clock.now_ms()),
            target=Target(
                channel=request.channel,
                account=request.account,
                conversation=request.conversation,
                thread_id=request.thread_id,
            ),
        )

    async def reject(
        self, channel: str | None, code: str, approver: Approver, *, account: str | None = None
    ) -> PairingRequest:
        """Forget the request with `code`; arguments and errors as for `approve`."""
        request, _ = await self._settle(channel, account, code, approver, _nothing)
        self._record(AuditKind.CHANNEL_PAIRING_REJECTED, request, approver)
        return request

    async def revoke(
        self, channel: str, sender_id: str, approver: Approver, *, account: str | None = None
    ) -> bool:
        """Make somebody a stranger again; False if no code had let them in.

        Raises:
            Refused: If the approver may not.
        """
        _check_owner(approver)

        def write(tx: Tx) -> tuple[int, list[AllowedSender]]:
            removed = records.disallow(tx, channel, account, sender_id)
            return removed, records.list_allowed(tx)

        async with self._deciding:
            self._forget(channel, account, sender_id)
            removed, everybody = await self._database.write(write)
            self._hold(everybody)
        if removed:
            self._audit.record(
                AuditKind.CHANNEL_SENDER_REVOKED,
                channel=channel,
                account=account,
                sender=sender_id[:_MAX_NAME],
                by=approver.name,
            )
        return removed > 0

    async def _settle(
        self,
        channel: str | None,
        account: str | None,
        code: str,
        approver: Approver,
        then: Callable[[Tx, PairingRequest], list[AllowedSender]],
    ) -> tuple[PairingRequest, list[AllowedSender]]:
        """Find the request by its code, forget it and do `then`, all in one transaction."""
        _check_owner(approver)
        attempt = self._guesses.begin(approver.name, self._clock.monotonic())
        if isinstance(attempt, Locked):
            raise Refused(
                "Too many wrong codes. Wait, then ask for the code once more.",
                retryable=True,
                retry_after_ms=attempt.retry_after_ms,
            )
        wanted, now_ms = normal_code(code), self._clock.now_ms()

        def write(tx: Tx) -> tuple[PairingRequest, list[AllowedSender]] | None:
            waiting = records.list_waiting(tx, channel, account, now_ms=now_ms)
            found = [one for one in waiting if same_text(one.code, wanted)]
            if not wanted or not found:
                return None
            records.delete_request(tx, found[0])
            return found[0], then(tx, found[0])

        try:
            settled = await self._database.write(write)
        except BaseException:
            self._guesses.release(attempt)
            raise
        if settled is None:
            self._guesses.fail(attempt, self._clock.monotonic())
            raise Refused(
                "Nobody waits with that code: it is mistyped, used up or older than an hour. "
                "See who asks with `cara pairing list`; writing again gives a new code."
            )
        self._guesses.succeed(attempt, self._clock.monotonic())
        return settled

    def _record(self, kind: AuditKind, request: PairingRequest, approver: Approver) -> None:
        self._audit.record(
            kind,
            channel=request.channel,
            account=request.account,
            sender=request.sender_id[:_MAX_NAME],
            by=approver.name,
        )

    def _forget(self, channel: str, account: str | None, sender_id: str) -> None:
        """Before the row goes: a caller that is cancelled has closed the door all the same."""
        for place, ids in self._paired.items():
            if place[0] == channel and account in {None, place[1]}:
                self._paired[place] = ids - {sender_id}

    def _hold(self, everybody: list[AllowedSender]) -> None:
        paired: dict[_Place, set[str]] = {}
        for one in everybody:
            paired.setdefault((one.channel, one.account), set()).add(one.sender_id)
        self._paired = {place: frozenset(ids) for place, ids in paired.items()}


def _check_owner(approver: Approver) -> None:
    if approver.authority is not Authority.OWNER:
        raise Refused("Only the owner decides who may write to the assistant. Ask them.")


def _nothing(_tx: Tx, _request: PairingRequest) -> list[AllowedSender]:
    return []


def _label(verdict: Verdict) -> str:
    match verdict:
        case Accept():
            return "accepted"
        case Ask():
            return "asked"
        case Buffer():
            return "buffered"
        case Drop(reason):
            return str(reason)


def _request_of(message: InboundMessage, code: str, now_ms: int) -> PairingRequest:
    name = message.sender.display_name
    return PairingRequest(
        channel=message.channel,
        account=message.account,
        sender_id=message.sender.id,
        display_name=None if name is None else name[:_MAX_NAME],
        conversation=message.conversation.id,
        thread_id=message.conversation.thread_id,
        code=code,
        created_at_ms=now_ms,
        expires_at_ms=now_ms + REQUEST_TTL_MS,
    )


def _allowed(request: PairingRequest, approver: Approver, now_ms: int) -> AllowedSender:
    return AllowedSender(
        channel=request.channel,
        account=request.account,
        sender_id=request.sender_id,
        display_name=request.display_name,
        approved_by=approver.name[:_MAX_NAME],
        approved_at_ms=now_ms,
    )
