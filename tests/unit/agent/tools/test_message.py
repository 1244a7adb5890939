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
from carapace.channels.outbox.types import Queued
from carapace.channels.types import ChannelInfo, Outgoing, Target
from carapace.config.settings.session import SendPolicySettings
from carapace.errors import GatewayError
from carapace.ids import RunId
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.types import Route
from support.agent_house import AgentHouse, agent_house, done
from support.tool_calls import tool_context

INFOS = (
    ChannelInfo(id="webchat", label="Chat"),
    ChannelInfo(id="zalo", label="Zalo", aliases=("zl",), can_media=True),
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
        return await post.tool.send(ctx, MessageParams(**params))


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
        await post.tool.send(ctx, known)
        assert post.asked == []
        other = MessageParams(channel="zalo", target="c2", account_id="default", message="x")
        with pytest.raises(ToolTrouble):
            await post.tool.send(ctx, other)
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
            await post.tool.send(ctx, MessageParams(message=text))
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
            await post.tool.send(tool_context(made, provenance=CHAT), MessageParams(message="x"))
    assert post.put_in == {}


def test_a_visitors_run_needs_a_yes_for_all_of_it():
    (row,) = Post().tool.tools().values()
    assert (row.name, row.risk) == ("message", Risk.WRITE)
    assert ToolPolicy().verdict(row.name, row.risk, RunSource.VISITOR) is Verdict.ASK
    assert ToolPolicy().verdict(row.name, Risk.OUTSIDE, RunSource.VISITOR) is Verdict.DENY
