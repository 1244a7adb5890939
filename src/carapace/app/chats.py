"""The chat services: everything between a message that comes in and its answer that goes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.agent.delivery import DeadNotices, Delivery
from carapace.agent.inbound import Inbound
from carapace.agent.live_replies import LiveReplies
from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.app.chat_hooks import ChatHooks
from carapace.app.files import Files
from carapace.app.observing import Observing
from carapace.app.own_chat import OwnChat
from carapace.channels.access.service import AccessService
from carapace.channels.access.types import AccessSettings
from carapace.channels.accounts.service import Accounts
from carapace.channels.accounts.settings import account_settings, branches
from carapace.channels.builtin.webchat import WEBCHAT_ID, WebchatChannel
from carapace.channels.builtin.webhook import WebhookChannel
from carapace.channels.inbox.service import Inbox, ReleaseMedia
from carapace.channels.intake import (
    IntakeService,
    IntakeSettings,
    KeepMedia,
    SettleApproval,
    StopRuns,
)
from carapace.channels.live.drafts import Drafts
from carapace.channels.live.typing import Typing
from carapace.channels.outbox.sender import Sender
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.routing import RoutingRules, session_key_of
from carapace.channels.text.render import Renderer
from carapace.channels.types import ChatType, Delivered, InboundMessage, SendOutcome, Target
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.ids import AgentId, SessionKey
from carapace.net.client import Egress
from carapace.protocol.events import Publish
from carapace.provenance import Authority, Origin, Provenance
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.triggers.channel_webhooks import ChannelWebhooks
from carapace.triggers.webhooks import WebhookKernel
from carapace.value import Value

__all__ = ["Chats", "ChatsIn", "open_chats"]

_MINUTE_S: Final = 60.0
_NOBODY: Final = Provenance(origin=Origin.CHANNEL, authority=Authority.NONE)
"""The key of a group's session does not depend on who speaks in it."""
_log = get_logger(__name__)


class ChatsIn(Value, frozen=True, kw_only=True):
    """What stands below the agent: messages come in to here, and go out from here.

    Attributes:
        render: Text of an agent as the messages a target takes.
        delivery: Takes answers of runs to the outbox; part of the agent.
        drafts: Shows answers while they are written.
        live: Owns what shows them.
    """

    access: AccessService
    inbox: Inbox
    outbox: Outbox
    intake: IntakeService
    accounts: Accounts
    render: Renderer
    delivery: Delivery
    drafts: Drafts
    live: Tasks

    def apply(self, settings: Settings, agent_id: AgentId) -> None:
        """Go by these settings from now on; accounts are opened and closed as they say."""
        self.access.apply(_access(settings))
        self.intake.apply(_intake(settings, agent_id))
        self.outbox.apply(ttl_s=settings.messages.outbound.ttl_minutes * _MINUTE_S)
        self.accounts.apply(settings.channels)


async def open_chats(
    settings: Callable[[], Settings],
    *,
    agent_id: AgentId,
    database: Database,
    keep_media: KeepMedia,
    release_media: ReleaseMedia,
    hooks: ChatHooks,
    stop_runs: StopRuns,
    activation: Callable[[SessionKey], str | None],
    on_change: Callable[[], None],
    clock: Clock,
    observing: Observing,
    settle_approval: SettleApproval | None = None,
) -> ChatsIn:
    """Build it; accounts are opened by the first `apply`.

    Args:
        settings: The settings as they are now.
        agent_id: Who answers.
        database: Keeps everything.
        keep_media: Keeps what comes with messages, and what goes out with them.
        release_media: Lets go of it with the message.
        hooks: Hears of messages.
        stop_runs: Ends the runs of a session.
        activation: What a group's session says about when it is answered.
        settle_approval: Decides on a use of a tool that waits.
        on_change: Told when an account begins or ends to run.
        clock: The time.
        observing: Audit and metrics.
    """
    now = settings()

    def activation_of(message: InboundMessage) -> str | None:
        if message.conversation.chat_type is ChatType.DIRECT:
            return None
        rules = _intake(settings(), agent_id).routing
        return activation(session_key_of(message, _NOBODY, rules))

    access = AccessService(
        database,
        clock=clock,
        audit=observing.audit,
        metrics=observing.metrics,
        activation=activation_of,
    )
    await access.load()
    access.apply(_access(now))
    inbox = Inbox(database, clock, metrics=observing.metrics, release_media=release_media)
    outbox = Outbox(
        database,
        clock,
        ttl_s=now.messages.outbound.ttl_minutes * _MINUTE_S,
        keep_media=keep_media,
    )
    intake = IntakeService(
        gate=access,
        inbox=inbox,
        outbox=outbox,
        database=database,
        clock=clock,
        settings=_intake(now, agent_id),
        stop_runs=stop_runs,
        settle_approval=settle_approval,
        on_received=hooks.received,
        keep_media=keep_media,
    )

    def changed() -> None:
        outbox.notify()
        on_change()

    accounts = Accounts(intake, clock=clock, on_change=changed, unlisted=frozenset({WEBCHAT_ID}))
    render = Renderer(accounts.info, settings)
    live = Tasks("live replies", _report)
    drafts = Drafts(
        database,
        accounts=accounts.get,
        infos=accounts.info,
        wants=lambda target: not hooks.screens and _streams(settings(), target),
        render=render,
        clock=clock,
        tasks=live,
    )
    delivery = Delivery(
        render,
        notify=outbox.notify,
        ttl_s=lambda: outbox.ttl_s,
        drafts=drafts,
        reserve=outbox.reserve,
    )
    return ChatsIn(
        access=access,
        inbox=inbox,
        outbox=outbox,
        intake=intake,
        accounts=accounts,
        render=render,
        delivery=delivery,
        drafts=drafts,
        live=live,
    )


class Chats:
    """The chat services with the agent behind them.

    Args:
        parts: What stands below the agent.
        agent: Answers.
        profiles: Who there is to answer.
        sessions: For the gateway's own chat.
        database: For the sender.
        files: For what comes with messages.
        hooks: For messages that go out.
        kernel: Where webhooks come in.
        egress: Where they go out.
        publish: Reaches clients.
        clock: The time.
        observing: Audit and metrics.
        on_delivered: Told of each message that has arrived.
    """

    def __init__(
        self,
        parts: ChatsIn,
        agent: AgentService,
        *,
        profiles: Profiles,
        sessions: Sessions,
        database: Database,
        files: Files,
        hooks: ChatHooks,
        kernel: WebhookKernel,
        egress: Egress,
        publish: Publish,
        clock: Clock,
        observing: Observing,
        on_delivered: Callable[[OutboxRow], None] = lambda _row: None,
    ) -> None:
        self.parts = parts
        accounts = parts.accounts
        typing = Typing(accounts.get, accounts.info, clock=clock, tasks=parts.live)
        self.inbound = Inbound(
            parts.inbox,
            agent,
            parts.delivery,
            database=database,
            clock=clock,
            label_of=lambda channel: _label(accounts, channel),
            default_agent=lambda: profiles.default_id,
            authority_now=parts.intake.authority_now,
            prepare=files.prepare,
            started=LiveReplies(parts.drafts, typing, parts.live).started,
        )

        async def after_send(row: OutboxRow, outcome: SendOutcome) -> None:
            if isinstance(outcome, Delivered) and outcome.message_id and row.outgoing:
                parts.access.delivered(row.outgoing.target, outcome.message_id)
            await hooks.sent(row, outcome)
            if isinstance(outcome, Delivered):
                on_delivered(row)

        self.sender = Sender(
            parts.outbox,
            accounts.get,
            accounts.info,
            database=database,
            clock=clock,
            metrics=observing.metrics,
            audit=observing.audit,
            publish=publish,
            on_dead=DeadNotices(database, clock, publish).delivery_failed,
            before_send=hooks.sending,
            after_send=after_send,
            release_media=files.store.release,
        )
        own = OwnChat(database, sessions, publish=publish, clock=clock)
        accounts.add(WebchatChannel(own))
        accounts.add(
            WebhookChannel(
                ChannelWebhooks(kernel),
                egress,
                clock=clock,
                media_link=files.link_to,
                add_secret=observing.redactor.add_secret,
            )
        )

    async def recover(self) -> None:
        """Take up what the last process left; after the agent has recovered."""
        await self.inbound.recover()
        await self.sender.recover()

    async def stop_receiving(self, deadline_s: float) -> None:
        """Begin no more turns, and wait for those that run; after the agent has drained."""
        await self.inbound.drain(deadline_s)

    async def stop_sending(self, deadline_s: float) -> None:
        """Let go of every account, once what is being sent has ended."""
        await self.sender.drain(deadline_s)
        await self.parts.live.close()
        await self.parts.accounts.aclose()
        await self.parts.inbox.aclose()


def _label(accounts: Accounts, channel: str) -> str:
    info = accounts.info(channel)
    return info.label if info is not None else channel


def _streams(settings: Settings, target: Target) -> bool:
    branch = branches(settings.channels).get(target.channel)
    defaults = settings.channels.defaults
    account = None if branch is None else account_settings(defaults, branch, target.account)
    return account is not None and account.streaming is True


def _report(task: str, error: BaseException) -> None:
    _log.error("showing an answer live failed", task=task, exc_info=error)


def _access(settings: Settings) -> AccessSettings:
    return AccessSettings.of(settings.channels, settings.messages, settings.commands)


def _intake(settings: Settings, agent_id: AgentId) -> IntakeSettings:
    session = settings.session
    rules = RoutingRules(
        agent_id=agent_id,
        main_key=session.main_key,
        one_for_all=session.scope == "global",
        dm_scope=session.dm_scope,
    )
    return IntakeSettings(routing=rules, channels=settings.channels, messages=settings.messages)
