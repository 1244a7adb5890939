"""The whole way of a message: recording channel, intake, inbox, agent, outbox, sender.

Everything is real but the chat service and the model. `crash` lets go of a house as a killed
process would: nothing is finished, nothing is told, only the database file stays.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carapace.agent.delivery import DeadNotices, Delivery
from carapace.agent.inbound import Inbound, Prepare
from carapace.agent.live_replies import LiveReplies
from carapace.agent.types import StopReason
from carapace.channels.access.service import AccessService
from carapace.channels.access.types import AccessSettings
from carapace.channels.inbox.records import InboxQuery, InboxRow
from carapace.channels.inbox.service import Inbox
from carapace.channels.intake import IntakeService, IntakeSettings
from carapace.channels.live.drafts import Drafts
from carapace.channels.live.typing import Typing
from carapace.channels.outbox.sender import Sender
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxQuery, OutboxRow
from carapace.channels.ports import Account
from carapace.channels.text.render import RenderSettings, render
from carapace.channels.types import (
    ChannelInfo,
    ChatType,
    Conversation,
    InboundMessage,
    Receipt,
    Target,
)
from carapace.channels.types import (
    Sender as Person,
)
from carapace.clock import Clock, SystemClock
from carapace.config.settings.channels import ChannelSettings, ChannelsSettings, GroupSettings
from carapace.config.settings.commands import CommandsSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.ids import AgentId, SessionKey
from carapace.store.ports import Database
from carapace.store.sqlite import SqliteDatabase
from carapace.tasks import Tasks
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.agent_house import AgentHouse, build_house
from support.recording_channel import RECORDING_INFO, RecordingAccount, RecordingChannel
from support.scripted_provider import ScriptedProvider

__all__ = ["ANNA", "OWNER_ID", "InboundHouse", "inbound_house", "message", "open_house"]

OWNER_ID = "u-owner"
ANNA = "u-anna"
_CHANNEL = "recording"
_SETTINGS = ChannelSettings(
    dm_policy="pairing",
    allow_from=(ANNA,),
    group_policy="allowlist",
    groups={"room": GroupSettings()},
)


def message(text: str = "hi", message_id: str = "m1", **more: Any) -> InboundMessage:
    """A direct message of the owner; `sender`, `room` and any field can be set."""
    sender = more.pop("sender", OWNER_ID)
    room = more.pop("room", None)
    place = (
        Conversation(id=f"c-{sender}", chat_type=ChatType.DIRECT)
        if room is None
        else Conversation(id=room, chat_type=ChatType.GROUP, label="The Room")
    )
    values: dict[str, Any] = {
        "channel": _CHANNEL,
        "account": "default",
        "message_id": message_id,
        "conversation": place,
        "sender": Person(id=sender, display_name=sender.removeprefix("u-").title()),
        "text": text,
        **more,
    }
    return InboundMessage(**values)


@dataclass
class InboundHouse:
    """What a test may want to look at or stop."""

    database: Database
    clock: Clock
    house: AgentHouse
    access: AccessService
    inbox: Inbox
    outbox: Outbox
    intake: IntakeService
    inbound: Inbound
    delivery: Delivery
    sender: Sender
    account: RecordingAccount
    tasks: Tasks
    heard: list[InboundMessage] = field(default_factory=list[InboundMessage])

    async def start(self) -> None:
        """As the gateway starts: recover, then work."""
        await self.access.load()
        await self.house.agent.recover()
        await self.inbound.recover()
        self.tasks.start(self.inbound.run(), name="inbound")
        self.tasks.start(self.sender.run(), name="sender")

    async def say(self, text: str = "hi", message_id: str = "m1", **more: Any) -> Receipt:
        """Let the chat service hand a message in."""
        return await self.account.deliver(message(text, message_id, **more))

    async def texts(self, count: int) -> list[str]:
        """What people see at the service, once there are `count` messages."""
        await self.account.sent_at_least(count)
        return self.account.texts()

    async def inbox_rows(self) -> list[InboxRow]:
        """All rows of the inbox, oldest first."""
        return (await self.inbox.page(InboxQuery(limit=200)))[::-1]

    async def outbox_rows(self) -> list[OutboxRow]:
        """All rows of the outbox, oldest first."""
        return list((await self.outbox.page(OutboxQuery(limit=200))).rows)[::-1]

    async def stop(self) -> None:
        """As the gateway stops."""
        self.inbound.stop()
        await self.house.agent.drain(0.0, grace_s=2.0)
        await self.inbound.drain(2.0)
        await self.sender.drain(2.0)
        await self._let_go()

    async def crash(self) -> None:
        """As the process dies: whatever was under way is left as it is."""
        self.house.agent._is_draining = True
        await self._let_go()

    async def _let_go(self) -> None:
        await self.tasks.close()
        await self.inbound._tasks.close()
        await self.sender._tasks.close()
        await self.house.agent._tasks.close()
        await self.inbox.aclose()


def build(
    database: Database,
    folder: Path,
    provider: ScriptedProvider,
    *,
    clock: Clock | None = None,
    settings: ChannelSettings = _SETTINGS,
    messages: MessagesSettings | None = None,
    prepare: Prepare | None = None,
    wrap: Callable[[Database], Database] = lambda database: database,
    info: ChannelInfo = RECORDING_INFO,
    streams: bool = False,
    **options: Any,
) -> InboundHouse:
    """Wire everything as the app does; `options` go to the agent's house."""
    clock = clock or SystemClock()
    database = wrap(database)
    messages = messages or MessagesSettings()
    audit = Audit(folder / "channel-audit", clock=clock, redactor=Redactor())
    outbox = Outbox(database, clock)
    tasks = Tasks("house", _report)
    running: dict[tuple[str, str], Account] = {}

    def find(name: str, of: str) -> Account | None:
        return running.get((name, of))

    def find_info(name: str) -> ChannelInfo | None:
        return info if name == _CHANNEL else None

    def rendered(text: str, _target: Target) -> list[str]:
        return render(text, info, RenderSettings())

    drafts = Drafts(
        database,
        accounts=find,
        infos=find_info,
        wants=lambda _target: streams,
        render=rendered,
        clock=clock,
        tasks=tasks,
    )
    delivery = Delivery(rendered, notify=outbox.notify, ttl_s=lambda: outbox.ttl_s, drafts=drafts)
    house = build_house(database, folder, provider, clock=clock, delivery=delivery, **options)
    access = AccessService(database, clock=clock, audit=audit, metrics=house.metrics)
    access.apply(
        AccessSettings(
            channels={_CHANNEL: settings},
            messages=messages,
            commands=CommandsSettings(owner_allow_from=(f"{_CHANNEL}:{OWNER_ID}",)),
        )
    )
    inbox = Inbox(database, clock, metrics=house.metrics)
    heard: list[InboundMessage] = []

    async def stop_runs(key: SessionKey) -> int:
        return len(await house.agent.abort(key, reason=StopReason.STOP))

    intake = IntakeService(
        gate=access,
        inbox=inbox,
        outbox=outbox,
        database=database,
        clock=clock,
        settings=IntakeSettings(channels=ChannelsSettings(), messages=messages),
        stop_runs=stop_runs,
        on_received=lambda one, words: heard.append(one),
    )
    channel = RecordingChannel(info)
    account = RecordingAccount(info, "default", intake)
    channel.accounts["default"] = account
    running[_CHANNEL, "default"] = account
    notices = DeadNotices(database, clock, house.events.append)
    sender = Sender(
        outbox,
        find,
        find_info,
        database=database,
        clock=clock,
        metrics=house.metrics,
        audit=audit,
        publish=house.events.append,
        on_dead=notices.delivery_failed,
    )
    inbound = Inbound(
        inbox,
        house.agent,
        delivery,
        database=database,
        clock=clock,
        label_of=lambda name: info.label if name == _CHANNEL else name,
        default_agent=lambda: AgentId("main"),
        authority_now=intake.authority_now,
        prepare=prepare,
        started=LiveReplies(
            drafts, Typing(find, find_info, clock=clock, tasks=tasks), tasks
        ).started,
    )
    return InboundHouse(
        database=database,
        clock=clock,
        house=house,
        access=access,
        inbox=inbox,
        outbox=outbox,
        intake=intake,
        inbound=inbound,
        delivery=delivery,
        sender=sender,
        account=account,
        tasks=tasks,
        heard=heard,
    )


@asynccontextmanager
async def open_house(folder: Path, *scripts: Any, **options: Any) -> AsyncGenerator[InboundHouse]:
    """A house over the database in `folder`, started; crashed unless the test stopped it."""
    database = await SqliteDatabase.open(folder / "carapace.db")
    try:
        house = build(database, folder, ScriptedProvider(*scripts), **options)
        await house.start()
        try:
            yield house
        finally:
            await house.crash()
    finally:
        await database.close()


@asynccontextmanager
async def inbound_house(*scripts: Any, **options: Any) -> AsyncGenerator[InboundHouse]:
    """A house in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="carapace-inbound-") as folder:
        async with open_house(Path(folder), *scripts, **options) as house:
            yield house


def _report(name: str, error: BaseException) -> None:
    raise AssertionError(f"{name} died: {error!r}") from error
