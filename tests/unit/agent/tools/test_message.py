"""Messages to chats: where the agent speaks already, and where a person is asked first."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from carapace.agent.approval import ApprovalRequest, Decision, Risk, Ruling, ToolPolicy, Verdict
from carapace.agent.tools.message import MessageParams, MessageTool
from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.types import RunSource
from carapace.channels.outbox.service import OutboxDetail
from carapace.channels.outbox.types import OutboxRow, OutboxState, Queued
from carapace.channels.types import ChannelInfo, Outgoing, OutgoingKind, Target
from carapace.config.settings.session import SendPolicySettings
from carapace.errors import GatewayError
from carapace.ids import RunId
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.types import Route
from support.agent_house import AgentHouse, agent_house, done
from support.tool_calls import tool_context

INFOS = (
    ChannelInfo(id="webchat", label="Chat"),
    ChannelInfo(
        id="zalo", label="Zalo", aliases=("zl",), can_media=True, can_react=True, can_edit=True
    ),
    ChannelInfo(id="plain", label="Plain"),
)
CHAT = Provenance(
    origin=Origin.CHANNEL,
    authority=Authority.OWNER,
    channel="zalo",
    account="work",
    sender_id="u",
    conversation="c1",
)


@dataclass
class Post:
    """Accounts, outbox and the person who is asked, all by what a test says."""

    infos: tuple[ChannelInfo, ...] = INFOS
    running: set[tuple[str, str]] = field(
        default_factory=lambda: {("zalo", "work"), ("zalo", "default"), ("plain", "default")}
    )
    ruling: Ruling = field(default_factory=lambda: Ruling(Decision.DENY, "nobody is there"))
    put_in: dict[str, Outgoing] = field(default_factory=dict[str, Outgoing])
    whose: list[tuple[Provenance, str | None]] = field(default_factory=list[Any])
    asked: list[ApprovalRequest] = field(default_factory=list[ApprovalRequest])
    rows: dict[int, OutboxRow] = field(default_factory=dict[int, OutboxRow])
    policy: SendPolicySettings = field(default_factory=SendPolicySettings)

    def accounts(self) -> Any:
        post = self

        class Accounts:
            def infos(self) -> tuple[ChannelInfo, ...]:
                return post.infos

            def get(self, channel_id: str, account: str) -> object | None:
                return post if (channel_id, account) in post.running else None

        return Accounts()

    async def put(
        self,
        outgoing: Outgoing,
        *,
        provenance: Provenance,
        run_id: str | None = None,
        group: str | None = None,
    ) -> Queued:
        assert group
        is_new = outgoing.idempotency_key not in self.put_in
        self.put_in.setdefault(outgoing.idempotency_key, outgoing)
        self.whose.append((provenance, run_id))
        number = list(self.put_in).index(outgoing.idempotency_key) + 1
        return Queued(outbox_id=number, is_new=is_new)

    async def get(self, outbox_id: int) -> OutboxDetail | None:
        row = self.rows.get(outbox_id)
        return None if row is None else OutboxDetail(row=row, attempts=())

    async def fetch_file(self, url: str, target: Target) -> str:
        return f"m-{url}-{target.channel}"

    async def ask(self, request: ApprovalRequest) -> Ruling:
        self.asked.append(request)
        return self.ruling

    @property
    def tool(self) -> MessageTool:
        return MessageTool(
            self.accounts(),
            self,
            render=lambda text, _target: text.split("|") if text else [],
            fetch_file=self.fetch_file,
            ask=self.ask,
            send_policy=lambda: self.policy,
        )


@asynccontextmanager
async def house() -> AsyncGenerator[AgentHouse]:
    async with agent_house() as made:
        yield made


async def send(
    post: Post, provenance: Provenance = CHAT, *, context: Any = None, **params: Any
) -> Any:
    async with house() as made:
        ctx = tool_context(made, provenance=provenance, **(context or {}))
        return await post.tool.act(ctx, MessageParams(**params))


async def trouble(post: Post, provenance: Provenance = CHAT, **params: Any) -> str:
    with pytest.raises(ToolTrouble) as caught:
        await send(post, provenance, **params)
    assert post.put_in == {}
    return str(caught.value)


async def test_the_conversation_itself_is_written_to_unasked():
    post = Post()
    answer = await send(post, message="hello|world")
    first, second = post.put_in.values()
    assert first.target == Target(channel="zalo", account="work", conversation="c1")
    assert (first.text, second.text) == ("hello", "world")
    assert post.asked == []
    assert post.whose[0] == (CHAT, "r")
    assert answer.details["messageId"] == "1"
    assert "its messageId is 1" in answer.text
    assert (answer.details["channel"], answer.details["to"]) == ("zalo", "c1")


async def test_a_new_conversation_needs_a_persons_yes():
    post = Post()
    why = await trouble(post, OWNER, channel="zl", target="c9", message="hi")
    assert "do not speak in that conversation of zalo yet" in why
    assert "nobody is there" in why
    (request,) = post.asked
    assert (request.tool, request.risk, request.provenance) == ("message", Risk.OUTSIDE, OWNER)
    assert '"c9"' in request.arguments
    post.ruling = Ruling(Decision.ALLOW)
    await send(post, OWNER, channel="zalo", target="c9", message="hi")
    assert [one.target.conversation for one in post.put_in.values()] == ["c9"]


async def test_where_another_session_of_the_agent_speaks_nobody_is_asked():
    post = Post()
    async with house() as made:
        route = Route(last_channel="zalo", last_to="c2", last_account_id="work")
        await done(made, "hi", "r9", key="agent:main:zalo:c2", route=route)
        ctx = tool_context(made, provenance=OWNER)
        known = MessageParams(channel="zalo", target="c2", account_id="work", message="x")
        await post.tool.act(ctx, known)
        assert post.asked == []
        other = MessageParams(channel="zalo", target="c2", account_id="default", message="x")
        with pytest.raises(ToolTrouble):
            await post.tool.act(ctx, other)
        assert len(post.asked) == 1


async def test_a_program_of_the_operators_is_not_asked_again():
    post = Post()
    await send(post, OWNER, context={"is_direct": True}, channel="plain", target="c", message="x")
    assert post.asked == []
    assert len(post.put_in) == 1


async def test_the_same_call_sends_once_and_another_one_again():
    post = Post()
    async with house() as made:
        for run, call, text in (
            ("r", "c", "a"),
            ("r", "c", "a"),
            ("r", "c", "b"),
            ("r2", "c", "a"),
        ):
            ctx = tool_context(made, provenance=CHAT, run_id=RunId(run), call_id=call)
            await post.tool.act(ctx, MessageParams(message=text))
    assert [one.text for one in post.put_in.values()] == ["a", "b", "a"]


async def test_a_file_goes_along_where_the_service_takes_files():
    post = Post()
    await send(post, media="https://a.example/x")
    (sent,) = post.put_in.values()
    assert sent.media == ("m-https://a.example/x-zalo",)
    why = await trouble(Post(), OWNER, channel="plain", target="c", media="https://a.example/x")
    assert "takes no files" in why


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"channel": "fax", "message": "x"}, "Say which channel; there is zalo, plain"),
        ({"message": "x"}, "Say which channel"),
        ({"channel": "zalo", "message": "x"}, "Say which conversation"),
        ({"channel": "zalo", "target": "c", "account_id": "gone"}, "does not run"),
    ],
)
async def test_what_is_missing_is_said(params: dict[str, Any], why: str):
    assert why in await trouble(Post(), OWNER, **params)


async def test_the_only_channel_need_not_be_named():
    post = Post(infos=INFOS[:2], ruling=Ruling(Decision.ALLOW))
    await send(post, OWNER, target="c", message="x")
    assert [one.target.channel for one in post.put_in.values()] == ["zalo"]
    assert "there is none" in await trouble(Post(infos=()), OWNER, message="x")


async def test_nothing_is_not_sent():
    assert "nothing to send" in await trouble(Post())


async def test_a_session_that_may_not_send_does_not():
    post = Post(policy=SendPolicySettings(default="deny"))
    async with house() as made:
        await made.sessions.ensure("main")
        with pytest.raises(GatewayError):
            await post.tool.act(tool_context(made, provenance=CHAT), MessageParams(message="x"))
    assert post.put_in == {}


def test_a_visitors_run_needs_a_yes_for_all_of_it():
    (row,) = Post().tool.tools().values()
    assert (row.name, row.risk) == ("message", Risk.WRITE)
    assert ToolPolicy().verdict(row.name, row.risk, RunSource.VISITOR) is Verdict.ASK
    assert ToolPolicy().verdict(row.name, Risk.OUTSIDE, RunSource.VISITOR) is Verdict.DENY


HERE = Target(channel="zalo", account="work", conversation="c1", thread_id="t")


def sent(name: str | None = "z-7", **changes: Any) -> OutboxRow:
    """A message of ours, as it stands on disk."""
    values: dict[str, Any] = {"target": HERE, "idempotency_key": "k", "text": "old", **changes}
    outgoing = Outgoing(**values)
    return OutboxRow(
        outbox_id=7,
        idempotency_key="k",
        channel="zalo",
        account="work",
        conversation="c1",
        outgoing=outgoing,
        provenance=CHAT,
        run_id="r",
        part_of=None,
        state=OutboxState.DELIVERED,
        attempts=1,
        failures=0,
        fence=1,
        may_be_repeat=False,
        is_screened=True,
        next_at_ms=0,
        created_at_ms=0,
        expires_at_ms=1,
        message_id=name,
    )


async def test_the_message_that_is_answered_gets_a_reaction():
    post = Post()
    answer = await send(post, context={"answers": "in-1"}, action="react", emoji=" 👍 ")
    (put,) = post.put_in.values()
    assert (put.kind, put.text, put.about_message_id) == (OutgoingKind.REACTION, "👍", "in-1")
    assert put.target == Target(channel="zalo", account="work", conversation="c1")
    assert (answer.details["action"], answer.details["messageId"]) == ("react", "1")
    assert post.asked == []


async def test_a_message_of_ours_is_changed_where_it_stands():
    post = Post(rows={7: sent()})
    await send(post, action="edit", message_id="7", message="new")
    await send(post, action="react", message_id="7", emoji="x")
    edit, reaction = post.put_in.values()
    assert (edit.kind, edit.text, edit.about_message_id) == (OutgoingKind.EDIT, "new", "z-7")
    assert (reaction.kind, reaction.about_message_id) == (OutgoingKind.REACTION, "z-7")
    assert edit.target == reaction.target == HERE


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"action": "react"}, "which emoji"),
        ({"action": "react", "emoji": " "}, "which emoji"),
        ({"action": "react", "emoji": "x"}, "no message to react to"),
        ({"action": "edit", "message": "x"}, "which message to edit"),
        ({"action": "edit", "message": "x", "message_id": "8"}, "no message 8"),
        ({"action": "edit", "message": "", "message_id": "7"}, "is empty"),
        ({"action": "edit", "message": "a|b", "message_id": "7"}, "longer than one message"),
    ],
)
async def test_a_change_of_nothing_is_said(params: dict[str, Any], why: str):
    assert why in await trouble(Post(rows={7: sent()}), **params)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (sent(None), "has not arrived"),
        (sent(kind=OutgoingKind.REACTION), "no message 7"),
        (sent(target=Target(channel="zalo", account="work", conversation="c2")), "no message 7"),
        (sent(target=Target(channel="zalo", account="other", conversation="c1")), "no message 7"),
    ],
)
@pytest.mark.parametrize("action", ["react", "edit"])
async def test_only_what_arrived_in_that_conversation_is_changed(
    row: OutboxRow, why: str, action: str
):
    fields: dict[str, Any] = {"action": action, "message_id": "7", "message": "new", "emoji": "x"}
    assert why in await trouble(Post(rows={7: row}), **fields)


async def test_a_service_that_cannot_is_not_asked_to():
    where: dict[str, Any] = {
        "channel": "plain",
        "target": "c",
        "message_id": "7",
        "emoji": "x",
        "message": "x",
    }
    assert "no reactions" in await trouble(Post(), action="react", **where)
    assert "cannot edit" in await trouble(Post(), action="edit", **where)


async def test_elsewhere_a_change_needs_a_persons_yes_as_well():
    there: dict[str, Any] = {
        "channel": "zalo",
        "target": "c9",
        "message_id": "7",
        "emoji": "x",
        "message": "x",
    }
    for action in ("react", "edit"):
        post = Post(rows={7: sent()})
        assert "do not speak" in await trouble(post, OWNER, action=action, **there)
        assert len(post.asked) == 1


async def test_a_reaction_elsewhere_is_to_a_message_of_ours():
    post = Post(ruling=Ruling(Decision.ALLOW))
    why = await trouble(post, action="react", emoji="x", target="c9", account_id="work")
    assert "no message to react to" in why
