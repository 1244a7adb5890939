"""Whatever the service says, it is the house that decides who may speak (advisory group E)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from carapace.channels.inbox.records import InboxQuery, InboxState
from carapace.channels.inbox.service import Inbox
from carapace.channels.intake import IntakeService, IntakeSettings
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxQuery
from carapace.channels.ports import Account
from carapace.channels.routing import RoutingRules
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Sender,
)
from carapace.ids import AgentId
from carapace.provenance import Authority
from support.channel_kinds import every
from support.channel_under_test import Answer, Rig
from support.chat_people import access_settings, house

OPEN_GROUP = {"groupPolicy": "allowlist", "groups": {"room": {}}, "groupAllowFrom": ["alice"]}


@dataclass
class Guarded:
    """An account behind the real intake."""

    rig: Rig
    account: Account
    inbox: Inbox
    outbox: Outbox
    kept: list[str]

    async def waiting(self):
        """Messages for the agent; of others the inbox keeps the id alone."""
        rows = await self.inbox.page(InboxQuery(limit=50))
        return [row for row in rows if row.state is InboxState.WAITING]

    async def answers(self):
        return (await self.outbox.page(OutboxQuery(limit=50))).rows


@contextlib.asynccontextmanager
async def guarded(kind, rig, **settings: Any):
    wanted = access_settings(
        commands={"ownerAllowFrom": [f"{kind.name}:owner"]}, **{kind.name: settings}
    )
    async with house(wanted) as one:
        inbox = Inbox(one.database, one.clock, metrics=one.metrics)
        outbox = Outbox(one.database, one.clock)
        kept: list[str] = []

        async def stop_runs(key):
            return 0

        intake = IntakeService(
            gate=one.access,
            inbox=inbox,
            outbox=outbox,
            database=one.database,
            clock=one.clock,
            settings=IntakeSettings(routing=RoutingRules(agent_id=AgentId("main"))),
            stop_runs=stop_runs,
            keep_media=lambda tx, media_id, owner: kept.append(media_id),
        )
        account = await rig.channel.open(kind.account, rig.settings, intake)
        yield Guarded(rig, account, inbox, outbox, kept)
        await account.aclose()
        await inbox.aclose()


def said(under_test, sender: str | Sender = "alice", *, where=None, message_id="1", **more: Any):
    values: dict[str, Any] = {"text": "hello", **more}
    return InboundMessage(
        channel=under_test.name,
        account=under_test.account,
        message_id=message_id,
        conversation=where or Conversation(id="dm", chat_type=ChatType.DIRECT),
        sender=Sender(id=sender) if isinstance(sender, str) else sender,
        **values,
    )


def room(chat=ChatType.GROUP, name="room"):
    return Conversation(id=name, chat_type=chat)


@every(receives=True)
async def test_who_is_listed_is_heard_and_no_more_than_that(kind, rig):
    async with guarded(kind, rig, allowFrom=["alice"]) as one:
        assert await rig.happen(said(kind)) is Answer.ACCEPTED
        (row,) = await one.waiting()
        assert row.provenance.authority is Authority.PAIRED
        assert row.provenance.sender_id == "alice"


@every(receives=True)
async def test_the_owner_is_the_owner_here(kind, rig):
    async with guarded(kind, rig) as one:
        assert await rig.happen(said(kind, "owner")) is Answer.ACCEPTED
        (row,) = await one.waiting()
        assert row.provenance.authority is Authority.OWNER


@every(receives=True)
async def test_a_stranger_is_told_a_code_once_and_not_heard(kind, rig):
    async with guarded(kind, rig) as one:
        assert await rig.happen(said(kind)) is Answer.ASKED
        await rig.happen(said(kind, message_id="2"))
        assert await one.waiting() == []
        assert len(await one.answers()) == 1


@every(receives=True)
@pytest.mark.parametrize("event", EventKind)
async def test_no_kind_of_event_goes_round_the_policy(kind, rig, event):
    """Row E04."""
    async with guarded(kind, rig, dmPolicy="allowlist", allowFrom=["bob"]) as one:
        answer = await rig.happen(said(kind, kind=event, about_message_id="0"))
        assert answer is Answer.DROPPED
        assert await one.waiting() == []
        assert await one.answers() == ()


@every(receives=True)
@pytest.mark.parametrize("policy", ["allowlist", "disabled"])
async def test_an_empty_list_is_nobody(kind, rig, policy):
    async with guarded(kind, rig, dmPolicy=policy, allowFrom=[]) as one:
        assert await rig.happen(said(kind)) is Answer.DROPPED
        assert await one.waiting() == []


@every(receives=True)
@pytest.mark.parametrize(
    "sender",
    [
        Sender(id="mallory", display_name="alice"),
        Sender(id="Alice"),
        Sender(id="alice "),
        Sender(id="alic\u0435"),
        Sender(id="*"),
        Sender(id="id:alice"),
        Sender(id="alice", is_bot=True),
    ],
    ids=["name", "case", "space", "homoglyph", "star", "typed", "bot"],
)
async def test_who_only_looks_like_somebody_listed_is_not(kind, rig, sender):
    async with guarded(kind, rig, dmPolicy="allowlist", allowFrom=["alice"]) as one:
        where = Conversation(id="x", chat_type=ChatType.DIRECT)
        assert await rig.happen(said(kind, sender, where=where)) is Answer.DROPPED
        assert await one.waiting() == []


@every(receives=True)
async def test_in_a_group_only_what_is_meant_for_us_is_heard(kind, rig):
    async with guarded(kind, rig, **OPEN_GROUP) as one:
        assert await rig.happen(said(kind, where=room())) is Answer.BUFFERED
        text = kind.claims.calling("hello")
        heard = said(kind, where=room(), message_id="2", text=text, mentions_us=True)
        assert await rig.happen(heard) is Answer.ACCEPTED
        (row,) = await one.waiting()
        assert row.provenance.authority is Authority.GUEST


@every(receives=True)
@pytest.mark.parametrize(
    "where", [room(name="other"), room(name="Room"), room(ChatType.CHANNEL, "other")], ids=str
)
async def test_a_group_that_is_not_named_is_not_heard(kind, rig, where):
    async with guarded(kind, rig, **OPEN_GROUP) as one:
        assert await rig.happen(said(kind, where=where, mentions_us=True)) is Answer.DROPPED
        assert await one.waiting() == []


@every(receives=True)
async def test_who_was_let_in_directly_is_not_let_into_groups_by_that(kind, rig):
    """Row E02."""
    async with guarded(kind, rig, allowFrom=["alice"], groupAllowFrom=[], groups={"room": {}}):
        answer = await rig.happen(said(kind, where=room(), mentions_us=True))
        assert answer is Answer.DROPPED


@every(receives=True)
async def test_where_nobody_knows_who_listens_no_code_is_told(kind, rig):
    async with guarded(kind, rig) as one:
        assert await rig.happen(said(kind, where=room(ChatType.UNKNOWN))) is Answer.DROPPED
        assert await one.answers() == ()


@every(receives=True)
async def test_files_of_strangers_are_not_kept(kind, rig):
    """Row E06."""
    async with guarded(kind, rig) as one:
        media = InboundMedia(url="http://127.0.0.1:9/x")
        await rig.happen(said(kind, media=(media,)))
        assert one.kept == []
        assert await one.waiting() == []


@every(receives=True)
async def test_the_same_message_twice_waits_once(kind, rig):
    async with guarded(kind, rig, allowFrom=["alice"]) as one:
        assert await rig.happen(said(kind)) is Answer.ACCEPTED
        assert await rig.happen(said(kind)) is Answer.DUPLICATE
        assert len(await one.waiting()) == 1


@every(receives=True)
async def test_what_was_accepted_is_on_disk_as_it_was_said(kind, rig):
    async with guarded(kind, rig, allowFrom=["alice"]) as one:
        message = said(kind, text="Grüße 🙂", message_id="Ä/1")
        await rig.happen(message)
        (row,) = await one.waiting()
        assert row.message == message
