"""A chat service in memory: it keeps what it is given and answers as a test says."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carapace.channels.ports import Intake
from carapace.channels.types import (
    ChannelInfo,
    ChatType,
    Dead,
    Delivered,
    InboundMessage,
    Outgoing,
    OutgoingKind,
    Receipt,
    ReceiptStatus,
    SendOutcome,
    Target,
)
from carapace.errors import Refused

__all__ = [
    "RECORDING_INFO",
    "RecordingAccount",
    "RecordingChannel",
    "RecordingIntake",
    "Step",
]

RECORDING_INFO = ChannelInfo(
    id="recording",
    label="Recording",
    max_text=200,
    chat_types=frozenset(ChatType),
    can_edit=True,
    can_delete=True,
    can_react=True,
    can_type=True,
    can_media=True,
    can_poll=True,
    can_look_up=True,
)


@dataclass(frozen=True)
class Step:
    """What the next send does: what it answers, and whether the words arrive all the same."""

    outcome: SendOutcome | BaseException | None = None
    arrives: bool | None = None


@dataclass
class RecordingAccount:
    """Satisfies `carapace.channels.ports.Account`.

    `sent` has every attempt; `seen` what a person at the other end sees (a repeat of a key is
    seen twice unless the service drops repeats). Sends take scripted steps in order, then
    succeed; while held they hang after the words arrived (`arrives`) or before.
    """

    info: ChannelInfo
    name: str
    intake: Intake
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sent: list[Outgoing] = field(default_factory=list)
    seen: list[Outgoing] = field(default_factory=list)
    typing: list[tuple[Target, bool]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    problem: str | None = None
    is_closed: bool = False
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._ids: dict[str, str] = {}
        self._free = asyncio.Event()
        self._free.set()
        self._changed = asyncio.Condition()

    # what a test says

    def script(self, *steps: Step | SendOutcome | BaseException) -> None:
        """Answer the next sends so."""
        self._steps.extend(one if isinstance(one, Step) else Step(one) for one in steps)

    def hold(self) -> None:
        """Sends that start now hang until `release`."""
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def deliver(self, message: InboundMessage) -> Receipt:
        """Something happened at the service."""
        if self.is_closed:
            raise RuntimeError(f"account {self.name} is closed and receives nothing")
        return await self.intake.receive(message)

    async def sent_at_least(self, count: int, *, timeout_s: float = 5.0) -> list[Outgoing]:
        """The attempts so far, once there are `count`."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: len(self.sent) >= count)
        return list(self.sent)

    def texts(self) -> list[str]:
        """What a person sees, in order."""
        return [one.text for one in self.seen if one.kind is OutgoingKind.MESSAGE]

    # what the house asks

    def trouble(self) -> str | None:
        return "it is closed" if self.is_closed else self.problem

    async def send(self, outgoing: Outgoing) -> SendOutcome:
        if self.is_closed:
            return Dead(reason="the account is closed")
        self.sent.append(outgoing)
        step = self._steps.popleft() if self._steps else Step()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            async with self._changed:
                self._changed.notify_all()
            if step.arrives:
                self._arrive(outgoing)
            await self._free.wait()
        finally:
            self.in_flight -= 1
        return self._answer(outgoing, step)

    def _answer(self, outgoing: Outgoing, step: Step) -> SendOutcome:
        if isinstance(step.outcome, BaseException):
            raise step.outcome
        if step.outcome is None:
            message_id = self._ids[outgoing.idempotency_key] if step.arrives else None
            return Delivered(message_id=message_id or self._arrive(outgoing))
        if isinstance(step.outcome, Delivered) and step.arrives is None:
            self._arrive(outgoing, step.outcome.message_id)
        return step.outcome

    def _arrive(self, outgoing: Outgoing, message_id: str | None = None) -> str:
        key = outgoing.idempotency_key
        if key in self._ids and self.info.drops_repeats:
            return self._ids[key]
        self.seen.append(outgoing)
        return self._ids.setdefault(key, message_id or f"m-{len(self.seen)}")

    async def look_up(self, outgoing: Outgoing) -> Delivered | None:
        self.looked_up.append(outgoing.idempotency_key)
        message_id = self._ids.get(outgoing.idempotency_key)
        return None if message_id is None else Delivered(message_id=message_id)

    async def set_typing(self, target: Target, *, is_on: bool) -> None:
        self.typing.append((target, is_on))

    async def aclose(self) -> None:
        self.is_closed = True


class RecordingChannel:
    """Satisfies `carapace.channels.ports.Channel`.

    Args:
        info: What it says it is and can.
        required: Settings without which an account does not open.
    """

    def __init__(self, info: ChannelInfo = RECORDING_INFO, *, required: Sequence[str] = ()) -> None:
        self._info = info
        self._required = required
        self._failures: deque[BaseException] = deque()
        self.accounts: dict[str, RecordingAccount] = {}
        self.opened: list[str] = []

    @property
    def info(self) -> ChannelInfo:
        return self._info

    def fail_next_open(self, *errors: BaseException) -> None:
        """The next `open` calls raise these."""
        self._failures.extend(errors)

    async def open(
        self, account: str, settings: Mapping[str, Any], intake: Intake
    ) -> RecordingAccount:
        self.opened.append(account)
        if self._failures:
            raise self._failures.popleft()
        for name in self._required:
            if not settings.get(name):
                raise Refused(f"The account {account} has no {name}. Set {name}, then try again.")
        made = RecordingAccount(self._info, account, intake, dict(settings))
        self.accounts[account] = made
        return made


class RecordingIntake:
    """Satisfies `carapace.channels.ports.Intake`: takes all, knows repeats, keeps the order."""

    def __init__(self) -> None:
        self.received: list[InboundMessage] = []
        self.failures: deque[BaseException] = deque()
        self._known: set[tuple[str, str, str]] = set()

    async def receive(self, message: InboundMessage) -> Receipt:
        if self.failures:
            raise self.failures.popleft()
        key = (message.channel, message.account, message.message_id)
        if key in self._known:
            return Receipt(status=ReceiptStatus.DUPLICATE)
        self._known.add(key)
        self.received.append(message)
        return Receipt(status=ReceiptStatus.ACCEPTED, inbox_id=len(self.received))
