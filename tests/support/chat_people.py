"""People on chat services, their messages, and a house that knows some of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import msgspec

from carapace.channels.access.service import AccessService
from carapace.channels.access.types import AccessSettings
from carapace.channels.mentions import MentionPatterns
from carapace.channels.policy import PolicyFacts
from carapace.channels.rules import rules_of
from carapace.channels.types import ChatType, Conversation, EventKind, InboundMessage, Sender
from carapace.config.settings.channels import AccountSettings, ChannelDefaults, ChannelSettings
from carapace.config.settings.commands import CommandsSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.store.sqlite import SqliteDatabase
from carapace.telemetry.audit import Audit
from carapace.telemetry.metrics import Metrics
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.database import memory_database

__all__ = ["CHANNELS", "Gate", "House", "access_settings", "facts", "gate", "house", "said"]

CHANNELS = ("webhook", "telegram", "matrix", "msteams", "zalo")
"""Any channel is judged alike; the names are those of services with different ids."""


def said(
    text: str = "hello",
    *,
    sender: str = "alice",
    where: str = "room",
    chat: ChatType = ChatType.DIRECT,
    kind: EventKind = EventKind.MESSAGE,
    channel: str = "webhook",
    account: str = "default",
    space: str | None = None,
    name: str | None = None,
    is_bot: bool = False,
    **rest: Any,
) -> InboundMessage:
    """Something that `sender` did."""
    return InboundMessage(
        channel=channel,
        account=account,
        message_id=rest.pop("message_id", "m1"),
        conversation=Conversation(id=where, chat_type=chat, space_id=space),
        sender=Sender(id=sender, display_name=name, is_bot=is_bot),
        kind=kind,
        text=text,
        **rest,
    )


def facts(
    settings: dict[str, Any] | None = None,
    *,
    paired: tuple[str, ...] = (),
    owners: tuple[str, ...] = (),
    ours: dict[str, int] | None = None,
    patterns: tuple[str, ...] = (),
    takes_commands: bool = True,
    uses_access_groups: bool = True,
) -> PolicyFacts:
    """What the authoriser knows of an account whose settings are these, as in a file."""
    return PolicyFacts(
        rules=rules_of(msgspec.convert(settings or {}, AccountSettings)),
        paired=frozenset(paired),
        owners=frozenset(owners),
        our_messages=ours or {},
        mentions=MentionPatterns(patterns),
        takes_commands=takes_commands,
        uses_access_groups=uses_access_groups,
    )


def access_settings(
    *,
    defaults: dict[str, Any] | None = None,
    messages: dict[str, Any] | None = None,
    commands: dict[str, Any] | None = None,
    **channels: dict[str, Any],
) -> AccessSettings:
    """Settings as a file would hold them, by channel."""
    return AccessSettings(
        defaults=msgspec.convert(defaults or {}, ChannelDefaults),
        channels={
            name: msgspec.convert(given, ChannelSettings) for name, given in channels.items()
        },
        messages=msgspec.convert(messages or {}, MessagesSettings),
        commands=msgspec.convert(commands or {}, CommandsSettings),
    )


@dataclass
class House:
    """The access service on a real database, with what it writes."""

    access: AccessService
    database: SqliteDatabase
    clock: FakeClock
    metrics: Metrics
    folder: Path
    codes: Iterator[str]

    def trail(self) -> list[dict[str, Any]]:
        """The lines of the audit trail."""
        path = self.folder / "audit.jsonl"
        text = path.read_bytes() if path.exists() else b""
        return [msgspec.json.decode(line) for line in text.splitlines()]

    def counted(self, verdict: str) -> float:
        """How often a verdict was given."""
        value = self.metrics.registry.get_sample_value(
            "carapace_inbound_decisions_total", {"verdict": verdict}
        )
        return value or 0.0

    async def ask(self, message: InboundMessage) -> Any:
        """What the intake does about a stranger."""
        reply = await self.database.write(lambda tx: self.access.request(tx, message))
        await self.access.requested(message, reply)
        return reply

    def again(self, settings: AccessSettings) -> AccessService:
        """A second service on the same database, as after a restart; to be loaded."""
        service = AccessService(
            self.database,
            clock=self.clock,
            audit=Audit(self.folder, clock=self.clock, redactor=Redactor()),
            metrics=Metrics("0", with_process=False),
        )
        service.apply(settings)
        return service


class _NoDatabase:
    """Satisfies `Database` for those who must not use it."""

    async def read(self, fn: object) -> NoReturn:
        raise AssertionError("a verdict reads nothing")

    async def write(self, fn: object) -> NoReturn:
        raise AssertionError("a verdict writes nothing")

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Gate:
    """The access service without a database: verdicts need none."""

    access: AccessService


@contextmanager
def gate(settings: AccessSettings) -> Generator[Gate]:
    """A gate with these settings, where nobody was let in by pairing."""
    clock = FakeClock()
    with TemporaryDirectory(prefix="carapace-people-") as name:
        audit = Audit(Path(name), clock=clock, redactor=Redactor())
        metrics = Metrics("0", with_process=False)
        access = AccessService(_NoDatabase(), clock=clock, audit=audit, metrics=metrics)
        access.apply(settings)
        try:
            yield Gate(access)
        finally:
            audit.close()


def _codes() -> Iterator[str]:
    for number in range(1, 1_000):
        yield "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"[number % 32] * 7 + "A"


@asynccontextmanager
async def house(
    settings: AccessSettings | None = None, *, make_code: Callable[[], str] | None = None
) -> AsyncGenerator[House]:
    """A house that has just started."""
    clock = FakeClock()
    metrics = Metrics("0", with_process=False)
    codes = _codes()
    with TemporaryDirectory(prefix="carapace-people-") as name:
        folder = Path(name)
        audit = Audit(folder, clock=clock, redactor=Redactor())
        async with memory_database() as database:
            access = AccessService(
                database,
                clock=clock,
                audit=audit,
                metrics=metrics,
                make_code=make_code or (lambda: next(codes)),
            )
            access.apply(settings or access_settings(webhook={}, telegram={}))
            await access.load()
            try:
                yield House(access, database, clock, metrics, folder, codes)
            finally:
                audit.close()
